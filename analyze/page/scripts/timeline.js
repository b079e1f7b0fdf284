// The timeline: a canvas with a lane for each thread, the calls in view as a table, and one call in full.

import { draggable } from "./drag.js";
import { activityChart, legend } from "./charts.js";
import { color, command, element, notes } from "./dom.js";
import { count, nanoseconds, seconds, wallClock } from "./format.js";
import { dataTable } from "./tables.js";
import { onTheme } from "./theme.js";

const LANE = 22;
const HEAD = 24;
const AXIS = 22;
const LISTED = 500;
const KIND_COLORS = ["waits", "files", "sockets", "memory", "other"];

export function timelineSection(model) {
  const data = model.timeline;
  const { calls } = data;
  const number = calls.at.length;
  const layout = laidOut(data);
  const ends = endsOf(data);
  const ofLane = data.lanes.map(() => []);
  for (let i = 0; i < number; i++) ofLane[calls.lane[i]].push(i);
  const ofBuckets = data.lanes.map(() => []);
  if (data.buckets) data.buckets.lane.forEach((lane, i) => ofBuckets[lane].push(i));
  const most = data.buckets ? Math.max(1, ...data.buckets.calls) : 1;

  const state = { from: 0, to: data.length_ns, picked: -1, lane: 0, found: null };
  const canvas = element("canvas", {
    tabindex: "0",
    role: "application",
    "aria-label":
      "Timeline. Left and right walk through the calls of a thread, up and down change the thread, plus and minus zoom, 0 shows all. The table below has the calls in view.",
  });
  const tall = element("div", {}, canvas);
  const view = element("div", { class: "lanes" }, tall);
  const details = element("div", { class: "call", role: "status", "aria-live": "polite" });
  const search = element("input", {
    type: "search",
    id: "timeline-search",
    placeholder: "Search calls: a path, a name, an error",
    "aria-label": "Search calls",
    autocomplete: "off",
    spellcheck: "false",
  });
  const output = element("output", { class: "muted", for: "timeline-search" });
  const range = element("output", { class: "muted range" });
  const button = (text, label, act) => element("button", { type: "button", "aria-label": label, onclick: act }, text);
  const pen = canvas.getContext("2d");
  let left = 200;

  const callName = (i) => data.names[calls.name[i]];
  const text = (pool, place) => (place < 0 ? null : data[pool][place]);
  const failed = (i) => calls.errno[i] >= 0;

  function x(ns) {
    return left + ((ns - state.from) / (state.to - state.from)) * (view.clientWidth - left);
  }

  function zoom(from, to) {
    const least = Math.min(1000, data.length_ns);
    const span = Math.min(Math.max(to - from, least), data.length_ns);
    state.from = Math.min(Math.max(from, 0), data.length_ns - span);
    state.to = state.from + span;
    draw();
    later();
  }

  function scale(factor, center = (state.from + state.to) / 2) {
    zoom(center - (center - state.from) * factor, center + (state.to - center) * factor);
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [view.clientWidth, view.clientHeight];
    if (width === 0) return;
    left = width < 640 ? 96 : 210;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colors = KIND_COLORS.map((name) => color(name));
    const [ink, muted, line, bad, strip, hit] = ["ink", "muted", "line", "bad", "strip", "hit"].map(color);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    ticks((at) => {
      pen.fillStyle = line;
      pen.fillRect(at, AXIS - 4, 1, height);
    });
    for (const row of layout.rows) {
      const y = AXIS + row.y - view.scrollTop;
      if (y + row.height < AXIS || y > height) continue;
      if (row.lane === undefined) header(row, y, width, ink, muted, line);
      else lane(row, y, width, { colors, ink, muted, line, bad, strip, hit });
    }
    axis(width, muted);
    range.textContent = `${seconds(state.from)} s to ${seconds(state.to)} s (${nanoseconds(state.to - state.from)})`;
  }

  function header(row, y, width, ink, muted, line) {
    pen.fillStyle = line;
    pen.fillRect(0, y, width, 1);
    pen.fillStyle = ink;
    pen.font = "600 12px system-ui, sans-serif";
    pen.fillText(clipped(`${row.pid}  ${row.name}`, width - 16), 8, y + HEAD / 2 + 2);
    pen.font = "12px system-ui, sans-serif";
  }

  function clipped(words, room) {
    if (pen.measureText(words).width <= room) return words;
    let shorter = words.slice(0, Math.max(1, Math.floor(room / 5)));
    while (shorter.length > 1 && pen.measureText(`${shorter}..`).width > room) shorter = shorter.slice(0, -1);
    return `${shorter}..`;
  }

  function lane(row, y, width, paint) {
    const info = data.lanes[row.lane];
    const top = y + 3;
    const tallness = LANE - 6;
    const begin = Math.max(x(row.start), left);
    const end = Math.min(x(row.end), width);
    pen.save();
    pen.beginPath();
    pen.rect(left, y, width - left, LANE);
    pen.clip();
    pen.fillStyle = paint.strip;
    if (end > begin) pen.fillRect(begin, top, end - begin, tallness);
    for (const i of ofBuckets[row.lane]) {
      const { buckets } = data;
      const from = buckets.bucket[i] * buckets.ns;
      if (from > state.to || from + buckets.ns < state.from) continue;
      const high = Math.max(2, (Math.log1p(buckets.calls[i]) / Math.log1p(most)) * tallness);
      pen.globalAlpha = state.found ? 0.15 : 0.45;
      pen.fillStyle = buckets.failed[i] > 0 ? paint.bad : paint.muted;
      pen.fillRect(x(from), top + tallness - high, Math.max(x(from + buckets.ns) - x(from), 1), high);
    }
    // Failures are drawn last, and so are matches: they stand in front.
    for (const pass of [0, 1, 2]) {
      for (const i of ofLane[row.lane]) {
        const at = calls.at[i];
        if (at > state.to) break;
        if (ends[i] < state.from) continue;
        const isFound = state.found !== null && state.found.has(i);
        if ((isFound ? 2 : failed(i) ? 1 : 0) !== pass) continue;
        const from = x(at);
        const wide = Math.max(x(ends[i]) - from, 1);
        pen.globalAlpha = state.found && !isFound ? 0.15 : calls.took[i] === null ? 0.8 : 1;
        pen.fillStyle = isFound ? paint.hit : failed(i) ? paint.bad : paint.colors[data.of_kind[calls.name[i]]];
        // A failure that took next to no time is a short mark, which leaves to be seen what took the time.
        pen.fillRect(from, top, wide, failed(i) && !isFound && wide < 3 ? 5 : tallness);
        if (wide > 46 && !(state.found && !isFound)) label(i, Math.max(from, left), Math.min(from + wide, width), y);
      }
    }
    pen.globalAlpha = 1;
    if (state.picked >= 0 && calls.lane[state.picked] === row.lane) {
      const from = x(calls.at[state.picked]);
      pen.strokeStyle = paint.ink;
      pen.lineWidth = 2;
      pen.strokeRect(from - 1, y + 1, Math.max(x(ends[state.picked]) - from, 1) + 2, LANE - 2);
    }
    pen.restore();
    pen.fillStyle = state.lane === row.lane && document.activeElement === canvas ? paint.ink : paint.muted;
    pen.fillText(clipped(`${info.comm} ${info.tid}`, left - 24), 16, y + LANE / 2);
  }

  function label(i, from, to, y) {
    if (to - from < 40) return;
    const thing = text("objects", calls.object[i]);
    pen.globalAlpha = 1;
    pen.fillStyle = "#ffffff";
    pen.fillText(clipped(thing ? `${callName(i)} ${thing}` : callName(i), to - from - 8), from + 4, y + LANE / 2);
  }

  function axis(width, muted) {
    pen.fillStyle = color("card");
    pen.fillRect(0, 0, width, AXIS);
    pen.fillStyle = muted;
    ticks((at, tick, precision) => pen.fillText(`${seconds(tick, precision)} s`, at + 4, AXIS / 2));
  }

  // The round times in view: place, ns, and how many digits of a second tell them apart.
  function ticks(each) {
    const wanted = (state.to - state.from) / Math.max((view.clientWidth - left) / 110, 1);
    const power = 10 ** Math.floor(Math.log10(wanted));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= wanted) ?? wanted;
    const precision = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
    for (let tick = Math.ceil(state.from / step) * step; tick <= state.to; tick += step) each(x(tick), tick, precision);
  }

  function at(event) {
    const edge = canvas.getBoundingClientRect();
    const y = event.clientY - edge.top - AXIS + view.scrollTop;
    const row = layout.rows.find((one) => y >= one.y && y < one.y + one.height);
    if (!row || row.lane === undefined) return { row, call: -1 };
    const across = event.clientX - edge.left;
    let best = -1;
    let distance = 4;
    for (const i of ofLane[row.lane]) {
      const [from, to] = [x(calls.at[i]), x(ends[i])];
      const away = across < from ? from - across : across > to ? across - to : 0;
      const better = away < distance || (away === distance && best >= 0 && failed(i) && !failed(best));
      if (better && (!state.found || state.found.has(i) || best < 0)) [best, distance] = [i, away];
    }
    return { row, call: best };
  }

  function pick(i, { center = false } = {}) {
    state.picked = i;
    state.lane = calls.lane[i];
    const span = state.to - state.from;
    if (center || calls.at[i] > state.to || ends[i] < state.from) {
      zoom(calls.at[i] - span / 2, calls.at[i] + span / 2);
    }
    const row = layout.rows.find((one) => one.lane === state.lane);
    if (row.y < view.scrollTop) view.scrollTop = row.y;
    if (row.y + AXIS + LANE > view.scrollTop + view.clientHeight) view.scrollTop = row.y + AXIS + LANE - view.clientHeight;
    details.replaceChildren(...callDetails(model, i));
    draw();
  }

  function walk(step) {
    const own = ofLane[state.lane].filter((i) => !state.found || state.found.has(i));
    if (own.length === 0) return;
    const place = own.indexOf(state.picked);
    const first = own.findIndex((i) => ends[i] >= state.from);
    pick(own[place < 0 ? Math.max(first, 0) : Math.min(Math.max(place + step, 0), own.length - 1)]);
  }

  function change(step) {
    const lanes = layout.rows.filter((row) => row.lane !== undefined).map((row) => row.lane);
    const place = lanes.indexOf(state.lane) + step;
    if (place < 0 || place >= lanes.length) return;
    state.lane = lanes[place];
    state.picked = -1;
    walk(0);
  }

  function find() {
    const wanted = search.value.trim().toLowerCase();
    state.found = null;
    output.textContent = "";
    if (wanted !== "") {
      const words = (i) => {
        const info = data.lanes[calls.lane[i]];
        const parts = [calls.text[i], callName(i), text("objects", calls.object[i]), text("objects", calls.path[i])];
        return [...parts, text("errnos", calls.errno[i]), info.comm, info.tid].join("\n").toLowerCase();
      };
      state.found = new Set();
      for (let i = 0; i < number; i++) if (words(i).includes(wanted)) state.found.add(i);
      output.textContent = `${count(state.found.size)} of ${count(number)} calls`;
    }
    draw();
    later();
  }

  function next(step) {
    if (!state.found || state.found.size === 0) return;
    const found = [...state.found];
    const place = found.indexOf(state.picked);
    pick(found[(place + step + found.length) % found.length], { center: true });
  }

  // The calls in view, as a table, which those use who do not see the canvas.
  const listed = dataTable(
    {
      title: "Calls in view",
      about: "The calls that the timeline shows now, by the time of their entry.",
      columns: [
        { name: "call", heading: "call", kind: "text" },
        { name: "at_s", heading: "at", kind: "seconds" },
        { name: "thread", heading: "thread", kind: "text" },
        { name: "took_ns", heading: "took", kind: "ns" },
        { name: "errno", heading: "error", kind: "text" },
        { name: "waited_for", heading: "about", kind: "text" },
        { name: "event_id", heading: "event", kind: "pid" },
      ],
      rows: rowsInView(),
    },
    (values) => pick(calls.event.indexOf(values[6]), { center: false }),
  );

  function rowsInView() {
    const rows = [];
    for (let i = 0; i < number && rows.length < LISTED; i++) {
      if (calls.at[i] > state.to || ends[i] < state.from || (state.found && !state.found.has(i))) continue;
      const info = data.lanes[calls.lane[i]];
      const about = text("objects", calls.object[i]);
      rows.push([
        calls.text[i] ?? callName(i),
        calls.at[i] / 1e9,
        `${info.comm} ${info.tid}`,
        calls.took[i],
        text("errnos", calls.errno[i]),
        about,
        calls.event[i],
      ]);
    }
    return rows;
  }

  let timer = 0;
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => listed.replaceRows(rowsInView()), 150);
  }

  function size() {
    tall.style.height = `${layout.height + AXIS}px`;
    view.style.height = `${Math.min(layout.height + AXIS + 4, Math.max(220, window.innerHeight * 0.6))}px`;
    draw();
  }

  const across = (event) => (event.clientX - canvas.getBoundingClientRect().left - left) / Math.max(view.clientWidth - left, 1);
  const under = (event) => state.from + across(event) * (state.to - state.from);
  draggable(canvas, {
    range: () => [state.from, state.to],
    across,
    zoom,
    click: (event) => {
      const { row, call } = at(event);
      if (call >= 0) pick(call);
      else if (row && row.lane !== undefined) {
        state.lane = row.lane;
        draw();
      }
    },
    hover: (event) => {
      const { row, call } = at(event);
      canvas.title =
        call >= 0
          ? `${calls.text[call] ?? callName(call)}\n${calls.took[call] === null ? "did not return" : nanoseconds(calls.took[call])}`
          : row && row.lane === undefined
            ? `${row.pid} ${row.name}`
            : "";
    },
  });
  canvas.addEventListener("dblclick", (event) => scale(0.33, under(event)));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.shiftKey && !event.metaKey) return;
      event.preventDefault();
      scale((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, under(event));
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const span = state.to - state.from;
    const pan = (share) => zoom(state.from + span * share, state.to + span * share);
    const acts = {
      ArrowLeft: () => (event.shiftKey ? pan(-0.2) : walk(-1)),
      ArrowRight: () => (event.shiftKey ? pan(0.2) : walk(1)),
      ArrowUp: () => change(-1),
      ArrowDown: () => change(1),
      "+": () => scale(0.5),
      "=": () => scale(0.5),
      "-": () => scale(2),
      0: () => zoom(0, data.length_ns),
    };
    if (acts[event.key] && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      acts[event.key]();
    }
  });
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  view.addEventListener("scroll", draw);
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
  });
  window.addEventListener("resize", size);
  onTheme(draw);

  const overview = element("div", { class: "chart", "aria-hidden": "true" });
  const parts = [
    element("p", { class: "muted" }, "Calls over time, and in red those that failed; drag across to zoom. Below it is a lane for each thread."),
    overview,
    element(
      "div",
      { class: "tools" },
      search,
      button("Next", "Next match", () => next(1)),
      output,
      button("+", "Zoom in", () => scale(0.5)),
      button("-", "Zoom out", () => scale(2)),
      button("All", "Show the whole recording", () => zoom(0, data.length_ns)),
      range,
    ),
    legend([...data.kinds.map((name, i) => [KIND_COLORS[i], name]), ["bad", "failed"]]),
    view,
    element(
      "p",
      { class: "muted keys" },
      "Drag to move, Ctrl and wheel or two fingers to zoom, click a call. Keys: arrows, +, -, 0; / searches.",
    ),
    details,
    ...notes(data.notes),
    element("details", {}, element("summary", {}, `Calls in view as a table (at most ${LISTED})`), listed),
  ];
  const section = element("div", {}, ...parts);
  section.shown = () => {
    size();
    activityChart(overview, data.activity, data.length_ns, zoom);
    const first = worthALook(data, ends);
    if (first >= 0) {
      state.picked = first;
      state.lane = calls.lane[first];
      details.replaceChildren(...callDetails(model, first));
      draw();
    }
  };
  section.range = () => [state.from, state.to];
  return section;
}

// The first failure, or else the longest call: what the page shows before somebody chooses.
function worthALook(data, ends) {
  const { calls } = data;
  const failure = calls.errno.findIndex((errno) => errno >= 0);
  if (failure >= 0) return failure;
  let best = calls.at.length ? 0 : -1;
  for (let i = 1; i < calls.at.length; i++) if (ends[i] - calls.at[i] > ends[best] - calls.at[best]) best = i;
  return best;
}

// When calls ended. One that ended its thread lasted as long as its process is known to have lived.
function endsOf(data) {
  const { calls } = data;
  const died = new Map(data.lives.map((life) => [life.pid, life.end]));
  return calls.took.map((took, i) => {
    const at = calls.at[i];
    if (took !== null) return at + took;
    if (data.remarks[calls.remark[i]] === "recording-stopped") return Math.max(at, data.length_ns);
    return Math.max(at, died.get(data.lanes[calls.lane[i]].pid) ?? at);
  });
}

// The rows of the canvas: for each process its name, then its threads, the main one first.
function laidOut(data) {
  const groups = new Map();
  data.lanes.forEach((info, lane) => {
    if (!groups.has(info.pid)) groups.set(info.pid, []);
    groups.get(info.pid).push(lane);
  });
  const lives = new Map(data.lives.map((life) => [life.pid, life]));
  const begins = (pid) => lives.get(pid)?.start ?? -1;
  const rows = [];
  let y = 0;
  for (const [pid, lanes] of [...groups].sort((a, b) => begins(a[0]) - begins(b[0]) || a[0] - b[0])) {
    const life = lives.get(pid);
    rows.push({ pid, name: life?.name ?? data.lanes[lanes[0]].comm, y, height: HEAD });
    y += HEAD;
    for (const lane of lanes.sort((a, b) => (data.lanes[b].tid === pid) - (data.lanes[a].tid === pid))) {
      rows.push({ lane, y, height: LANE, start: life?.start ?? 0, end: life?.end ?? data.length_ns });
      y += LANE;
    }
  }
  return { rows, height: y };
}

function callDetails(model, i) {
  const data = model.timeline;
  const { calls } = data;
  const info = data.lanes[calls.lane[i]];
  const text = (pool, place) => (place < 0 ? null : data[pool][place]);
  const errno = text("errnos", calls.errno[i]);
  const [path, thing] = [text("objects", calls.path[i]), text("objects", calls.object[i])];
  const took = calls.took[i] === null ? "it did not return" : nanoseconds(calls.took[i]);
  const facts = [
    ["thread", `${info.comm} ${info.tid} of process ${info.pid}`],
    ["entered", `${seconds(calls.at[i])} s, ${wallClock(model.start_wall_ns, calls.at[i])} UTC`],
    ["took", took],
    ["result", calls.ret[i] === null ? "none" : `${calls.ret[i]}${errno ? ` ${errno}` : ""}`],
    ["path", path],
    ["about", thing !== path ? thing : null],
    ["remark", text("remarks", calls.remark[i])],
  ].filter(([, value]) => value !== null);
  const stack = calls.stack[i];
  const frames = stack === null ? null : data.stacks[stack];
  const why =
    stack === null
      ? "No stack was taken at this call."
      : frames
        ? "No frame of its stack is known."
        : "Its stack is not in this page; the command below prints it.";
  return [
    element("h3", { class: errno ? "bad" : null }, calls.text[i] ?? data.names[calls.name[i]]),
    element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    frames && frames.length
      ? element("ol", { class: "stack", "aria-label": "Call stack, innermost first" }, ...frames.map((frame) => element("li", {}, data.frames[frame])))
      : element("p", { class: "muted" }, why),
    command(`bpfrec report calls --around ${calls.event[i]} -C 5 -k ${model.trace}`),
  ];
}
