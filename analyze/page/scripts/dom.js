// Elements, and copying. All text goes through text nodes: what a trace has is never markup.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export async function copyText(text, button) {
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without permission, as in some browsers for files.
    const area = element("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = said), 1500);
}

export function command(text) {
  const button = element("button", { type: "button", class: "small", "aria-label": `Copy the command ${text}` }, "Copy");
  button.addEventListener("click", () => copyText(text, button));
  return element("div", { class: "command" }, element("code", {}, text), button);
}

export function notes(texts) {
  return texts.map((text) => element("p", { class: "note" }, text));
}

// The value of a CSS variable in the current theme.
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
