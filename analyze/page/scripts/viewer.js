// The page without a trace: it opens one that is dropped on it.

import { element } from "./dom.js";
import { drawPage, setUp } from "./page.js";
import { openTrace } from "./trace.js";
import { modelOf } from "./viewer-model.js";
import { TraceError } from "./zip.js";

const STEP_MS = 50;

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");

function invite(error = null) {
  const choice = element("input", { type: "file", accept: ".bpfrec", id: "file" });
  choice.addEventListener("change", () => choice.files.length && open(choice.files[0]));
  main.replaceChildren(
    element(
      "div",
      { id: "drop" },
      element("h2", {}, "Drop a trace here"),
      element("p", { class: "muted" }, "A .bpfrec file. It is read in this browser; nothing leaves this machine."),
      element("label", { for: "file" }, "Or choose one: "),
      choice,
      error ? element("p", { class: "bad", role: "alert" }, error) : null,
    ),
  );
}

async function open(file) {
  const status = element("p", { class: "muted", role: "status" }, "Opening");
  main.replaceChildren(element("div", { id: "drop" }, status));
  // The page is drawn and listens between two steps, but not between all: many are short.
  let last = 0;
  const progress = async (text) => {
    status.textContent = text;
    if (performance.now() - last < STEP_MS) return;
    await new Promise((resume) => setTimeout(resume));
    last = performance.now();
  };
  try {
    const model = await modelOf(await openTrace(file), data, progress);
    drawPage(model);
  } catch (error) {
    document.getElementById("links").replaceChildren();
    invite(error instanceof TraceError ? error.message : `The file is damaged, or this viewer cannot read it: ${error.message}`);
  }
}

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.getElementById("drop")?.classList.add("over");
});
document.addEventListener("dragleave", () => document.getElementById("drop")?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
});

setUp();
invite();
