// Draws the page of a model.

import { element, notes } from "./dom.js";
import { flameSection, latencySection, summarySection, tableSection, title } from "./sections.js";
import { themeSwitch } from "./theme.js";
import { timelineSection } from "./timeline.js";

const SECTIONS = [
  ["summary", "Summary", summarySection],
  ["timeline", "Timeline", timelineSection],
  ["waiting", "Waiting", (model) => tableSection(model, "waiting")],
  ["failures", "Failures", (model) => tableSection(model, "failures")],
  ["files", "Files", (model) => tableSection(model, "files")],
  ["network", "Network", (model) => tableSection(model, "network")],
  ["processes", "Processes", (model) => tableSection(model, "processes")],
  ["latency", "Latency", latencySection],
  ["stacks", "Stacks", flameSection],
];

export function drawPage(model) {
  const main = document.getElementById("main");
  const links = document.getElementById("links");
  document.title = title(model);
  document.getElementById("title").textContent = title(model);
  links.replaceChildren(...SECTIONS.map(([id, name]) => element("a", { href: `#${id}` }, name)));
  main.replaceChildren(...notes(model.losses));
  for (const [id, name, make] of SECTIONS) {
    const inside = make(model);
    const heading = element("h2", { id: `${id}-title` }, name);
    const limits = (model.limits ?? {})[id];
    main.append(
      element("section", { id, "aria-labelledby": heading.id }, heading, limits ? element("p", { class: "note" }, limits) : null, inside),
    );
    if (inside.shown) inside.shown();
  }
}

export function setUp() {
  themeSwitch(document.getElementById("theme"));
  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("timeline-search");
    if (event.key === "/" && search && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      search.focus();
    }
  });
}
