// The sections of the page but for the timeline: summary, tables, latencies, flame graphs.

import { latencyChart, legend } from "./charts.js";
import { command, element, notes } from "./dom.js";
import { count, nanoseconds } from "./format.js";
import { dataTable } from "./tables.js";

const FACTS = { file: "Trace", host: "Host", start: "Start", length: "Length", calls: "Calls", samples: "Samples", command: "Recorded by" };
const LOSSES = 200;
const TIME_COLORS = [
  [/^(sleeping|waits)/, "waits"],
  [/events$/, "sockets"],
  [/locks$/, "hit"],
  [/children$/, "muted"],
  [/disks$/, "other"],
  [/sockets$/, "sockets"],
  [/files/, "files"],
  [/memory$/, "memory"],
  [/^in own code/, "own"],
];

function timeColor(name) {
  return `var(--${(TIME_COLORS.find(([pattern]) => pattern.test(name)) ?? [null, "other"])[1]})`;
}

export function summarySection(model) {
  const { summary } = model;
  const facts = (summary.recording ?? []).flatMap(([name, value, detail]) => [
    element("dt", {}, FACTS[name] ?? name),
    element("dd", {}, element("span", {}, value ?? ""), detail ? element("span", { class: "muted" }, detail) : null),
  ]);
  const findings = (summary.findings ?? []).map(([who, what, evidence, more]) =>
    element(
      "li",
      { class: "finding" },
      element("h3", {}, `${who}: ${what}`),
      element("p", {}, evidence ?? ""),
      more ? command(`${more} ${model.trace}`) : null,
    ),
  );
  const lost = summary.losses ?? [];
  const losses = lost.slice(0, LOSSES).map(([kind, number, detail]) => element("li", {}, `${kind} ${number}: ${detail ?? ""}`));
  return element(
    "div",
    {},
    ...model.chosen.map((text) => element("p", { class: "note" }, `Only chosen calls: ${text}`)),
    element("dl", { class: "facts" }, ...facts),
    element("h3", { class: "label" }, "What looks wrong"),
    findings.length
      ? element("ul", { class: "findings" }, ...findings)
      : element("p", { class: "muted" }, model.no_findings ?? "Nothing that bpfrec knows to look for."),
    summary.time ? element("h3", { class: "label" }, model.time_title ?? "What the threads did") : null,
    summary.time ? shares(summary.time) : null,
    losses.length ? element("h3", { class: "label" }, "Missing from this trace") : null,
    losses.length ? element("ul", { class: "losses" }, ...losses) : null,
    lost.length > LOSSES ? element("p", { class: "note" }, `${count(lost.length - LOSSES)} further lines are left out.`) : null,
  );
}

function shares(rows) {
  const bar = element("div", { class: "shares", "aria-hidden": "true" });
  rows.forEach(([name, share]) => {
    const part = element("span");
    part.style.width = share.replace(" ", "");
    part.style.background = timeColor(name);
    bar.append(part);
  });
  const lines = rows.map(([name, share, detail]) => {
    const mark = element("span", { class: "mark", "aria-hidden": "true" });
    mark.style.background = timeColor(name);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, mark, name),
      element("td", { class: "number" }, share),
      element("td", { class: "muted" }, detail ?? ""),
    );
  });
  return element(
    "div",
    {},
    bar,
    element(
      "table",
      { class: "plain" },
      element("caption", { class: "unseen" }, "Time of the threads by what they did"),
      element(
        "thead",
        { class: "unseen" },
        element("tr", {}, ...["what", "share", "time"].map((name) => element("th", { scope: "col" }, name))),
      ),
      element("tbody", {}, ...lines),
    ),
  );
}

export function tableSection(model, id) {
  const spec = model.tables.find((table) => table.id === id);
  return element("div", {}, element("p", { class: "muted" }, spec.about), dataTable(spec), command(`${spec.command} ${model.trace}`));
}

export function latencySection(model) {
  const names = Object.keys(model.latencies);
  const whole = tableSection(model, "latency");
  if (names.length === 0) return whole;
  const choice = element("select", { id: "latency-call" }, ...names.map((name) => element("option", { value: name }, name)));
  const place = element("div", { class: "chart", role: "img" });
  const numbers = element("div");
  const title = element("h3", { class: "label" }, element("label", { for: "latency-call" }, "Histogram of "), choice);
  const command_ = element("div");
  whole.append(
    title,
    place,
    element("details", {}, element("summary", {}, "The histogram as a table"), numbers),
    command_,
  );
  let redraw = null;
  const show = () => {
    const slots = model.latencies[choice.value];
    place.setAttribute("aria-label", `Histogram of ${choice.value}; the table below has its numbers`);
    numbers.replaceChildren(
      dataTable({
        title: `Histogram of ${choice.value}`,
        about: "Calls by how long they took; each row is a power of two.",
        columns: [
          { name: "from", heading: "from", kind: "text" },
          { name: "from_ns", heading: "from, ns", kind: "count" },
          { name: "count", heading: "calls", kind: "count" },
        ],
        rows: slots.map(([ns, number]) => [nanoseconds(ns), ns, number]),
      }),
    );
    command_.replaceChildren(command(`bpfrec report latency --syscall ${choice.value} -H ${model.trace}`));
    if (redraw) redraw(slots);
  };
  choice.addEventListener("change", show);
  show();
  whole.shown = () => (redraw = latencyChart(place, model.latencies[choice.value]));
  return whole;
}

export function flameSection(model) {
  const { flames } = model;
  const drawn = flames.filter((flame) => flame.graph);
  if (drawn.length === 0) {
    const why = flames.map((flame) => flame.refused).filter(Boolean);
    return element("div", {}, ...(why.length ? why : ["This trace has no call stacks."]).map((text) => element("p", { class: "muted" }, text)));
  }
  const choice = element(
    "select",
    { id: "flame-choice", "aria-label": "What the width of a box is" },
    ...drawn.map((flame, i) => element("option", { value: String(i) }, flame.name)),
  );
  const place = element("div");
  let graph = null;
  const show = () => {
    const chosen = drawn[Number(choice.value)];
    const canvas = element("canvas", {
      tabindex: "0",
      role: "application",
      "aria-label": `Flame graph, ${chosen.name}. Arrow keys walk through the frames, Enter zooms, Escape shows all.`,
    });
    const tall = element("div", {}, canvas);
    const view = element("div", { class: "flame" }, tall);
    const details = element("div", { class: "frame", role: "status", "aria-live": "polite" });
    const search = element("input", { type: "search", placeholder: "Search functions", "aria-label": "Search functions" });
    const found = element("output", { class: "muted" });
    const reset = element("button", { type: "button", onclick: () => graph.reset() }, "Show all");
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "Escape") graph.reset();
    });
    place.replaceChildren(
      element("div", { class: "tools" }, search, reset, found),
      view,
      details,
      legend(chosen.graph.legend.map(([at, text]) => [chosen.graph.colors[at], text])),
      ...notes(chosen.notes),
    );
    graph = flameGraph({ view, tall, canvas, details, search, found }, chosen.graph);
    graph.resize();
  };
  choice.addEventListener("change", show);
  window.addEventListener("resize", () => graph && graph.resize());
  const whole = element(
    "div",
    {},
    element("p", { class: "muted" }, "A box that stands on another was called by it, and is as wide as its share."),
    element("div", { class: "tools" }, element("label", { for: "flame-choice" }, "Width is"), choice),
    place,
    command(`bpfrec analyze flamegraph -o flame.html ${model.trace}`),
  );
  whole.shown = show;
  return whole;
}

export function title(model) {
  return `${model.title}: ${count(model.timeline.total)} calls in ${nanoseconds(model.timeline.length_ns)}`;
}
