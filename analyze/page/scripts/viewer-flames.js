// Call stacks of a trace that is read in the browser, and the flame graphs of them, as analyze/flame/ makes them.

import { shown } from "./printable.js";

const MOST = 8000;
const FRAMES_LISTED = 64;
const DEEPEST = 1000;

// Frames by stack, innermost first; `text` writes one of them.
export async function readStacks(trace) {
  const raw = await trace.table("frames", ["stack_id", "depth", "symbol", "symbol_offset", "module", "module_address", "file", "line", "source"]);
  const stacks = new Map();
  for (let i = 0; i < raw.rows; i++) {
    const stack = Number(raw.stack_id[i]);
    if (!stacks.has(stack)) stacks.set(stack, []);
    stacks.get(stack).push(i);
  }
  for (const frames of stacks.values()) frames.sort((a, b) => Number(raw.depth[a]) - Number(raw.depth[b]));
  const module = (i) => (raw.module[i] === null ? null : raw.module[i].startsWith("//anon") ? "[anon]" : raw.module[i].replace(/^.*\//s, ""));
  const name = (i) => {
    if (raw.symbol[i] !== null) return shown(raw.symbol[i]);
    const address = raw.module_address[i] === null ? "" : `+0x${BigInt(raw.module_address[i]).toString(16)}`;
    return shown(`${module(i) ?? "[not mapped]"}${address}`);
  };
  const text = (i) => {
    if (raw.symbol[i] === null) return name(i);
    if (raw.file[i] !== null) return `${name(i)} ${shown(raw.file[i])}:${raw.line[i]}`;
    const offset = raw.symbol_offset[i] === null ? "" : `+0x${BigInt(raw.symbol_offset[i]).toString(16)}`;
    return `${name(i)}${offset}${module(i) === null ? "" : ` (${shown(module(i))})`}`;
  };
  const kind = (i) => {
    if (raw.source[i] === "kernel") return "kernel";
    if (/^(perf-\d+\.map|\[anon\])$/.test(module(i) ?? "")) return "JIT code";
    return raw.source[i] === "fp" ? "found by frame pointer: a guess" : "compiled code";
  };
  const texts = (stack) => {
    const frames = stacks.get(stack) ?? [];
    const more = frames.length > FRAMES_LISTED ? [`... [${frames.length - FRAMES_LISTED} more frames]`] : [];
    return [...frames.slice(0, FRAMES_LISTED).map(text), ...more];
  };
  return { stacks, texts, name, kind, module: (i) => (module(i) === null ? "" : shown(module(i))) };
}

export async function flamesOf(trace, calls, found, palette) {
  const measures = [
    ["time in system calls", "ns"],
    ["number of system calls", "calls"],
    ["failed system calls", "failures"],
  ];
  // By stack, and then by call and name of the thread: what its calls come to in each measure.
  const amounts = new Map();
  let stacked = 0;
  for (const i of calls.order) {
    const stack = calls.stack_id[i];
    if (stack !== stack) continue;
    stacked += 1;
    let ofStack = amounts.get(stack);
    if (!ofStack) amounts.set(stack, (ofStack = new Map()));
    const key = (calls.comm.codes[i] + 1) * 2 ** 20 + calls.syscall.codes[i] + 1;
    let found = ofStack.get(key);
    if (!found) ofStack.set(key, (found = { comm: calls.comm.at(i), call: calls.syscall.at(i), stacks: [stack], amounts: [0, 0, 0] }));
    found.amounts[0] += calls.took[i] || 0;
    found.amounts[1] += 1;
    if (calls.failed(i)) found.amounts[2] += 1;
  }
  const without = calls.order.length - stacked;
  const notes = without > 0 ? [`${without.toLocaleString("en")} of ${calls.order.length.toLocaleString("en")} calls have no stack, and are not counted.`] : [];
  const flames = [];
  const all = [...amounts.values()].flatMap((ofStack) => [...ofStack.values()]);
  measures.forEach(([name, unit], place) => {
    const measured = all.filter((one) => one.amounts[place] > 0).map((one) => ({ ...one, amount: one.amounts[place] }));
    if (measured.length) flames.push({ name, notes, graph: graph(measured, unit, found, palette) });
  });
  const raw = await trace.table("samples", ["comm", "stack_id", "kernel_stack_id"]);
  const samples = new Map();
  for (let i = 0; i < raw.rows; i++) {
    const stacks = [raw.stack_id[i], raw.kernel_stack_id[i]].filter((stack) => stack !== null).map(Number);
    if (stacks.length === 0) continue;
    const key = `${raw.comm[i]}\n${stacks}`;
    const before = samples.get(key);
    if (before) before.amount += 1;
    else samples.set(key, { comm: raw.comm[i], call: null, stacks, amount: 1 });
  }
  if (samples.size) flames.push({ name: "CPU samples", notes: [], graph: graph([...samples.values()], "samples", found, palette) });
  return flames;
}

// The tree of measured stacks as columns, its nodes level by level, siblings by name.
function graph(measured, unit, found, palette) {
  const frames = [];
  const numbers = new Map();
  const frame = (name, kind, module) => {
    const key = `${name}\n${kind}\n${module}`;
    if (!numbers.has(key)) {
      numbers.set(key, frames.length);
      frames.push({ name, kind, module });
    }
    return numbers.get(key);
  };
  const root = { frame: frame("all", "all", ""), value: 0, children: new Map() };
  for (const { comm, call, stacks, amount } of measured) {
    const path = [frame(shown(comm ?? "[unknown]"), "name of the thread", "")];
    for (const stack of stacks) {
      const all = found.stacks.get(stack) ?? [];
      // Of a deeper stack, the outermost frames.
      for (const i of all.slice(Math.max(all.length - DEEPEST, 0)).reverse()) path.push(frame(found.name(i), found.kind(i), found.module(i)));
    }
    if (call !== null) path.push(frame(shown(call), "system call", ""));
    let node = root;
    node.value += amount;
    for (const place of path) {
      if (!node.children.has(place)) node.children.set(place, { frame: place, value: 0, children: new Map() });
      node = node.children.get(place);
      node.value += amount;
    }
  }
  // A node is never wider than its parent: those below the least width that fits go together with all below them.
  const values = [];
  const visit = (node) => {
    values.push(node.value);
    for (const child of node.children.values()) visit(child);
  };
  visit(root);
  const least = values.length > MOST ? values.sort((a, b) => b - a)[MOST - 1] : 0;
  const columns = { frame: [], parent: [], x: [], value: [] };
  let level = [{ node: root, parent: -1, x: 0 }];
  while (level.length) {
    const next = [];
    for (const { node, parent, x } of level) {
      const place = columns.frame.length;
      columns.frame.push(node.frame);
      columns.parent.push(parent);
      columns.x.push(x);
      columns.value.push(node.value);
      let at = x;
      const children = [...node.children.values()].sort((a, b) => (frames[a.frame].name < frames[b.frame].name ? -1 : 1));
      for (const child of children) {
        if (child.value >= least) next.push({ node: child, parent: place, x: at });
        at += child.value;
      }
    }
    level = next;
  }
  return { unit, ...columns, ...colored(frames, columns, palette) };
}

function colored(frames, columns, palette) {
  const weight = new Map();
  columns.frame.forEach((place, i) => {
    const { kind, module } = frames[place];
    if (kind === "compiled code") weight.set(module, (weight.get(module) ?? 0) + columns.value[i]);
  });
  const modules = [...weight].sort((a, b) => b[1] - a[1]).map(([module]) => module);
  const own = modules.slice(0, palette.modules.length);
  const kinds = Object.keys(palette.kinds);
  const colors = [...palette.modules.slice(0, own.length), palette.others, ...Object.values(palette.kinds)];
  const color = ({ kind, module }) => {
    if (kind !== "compiled code") return own.length + 1 + kinds.indexOf(kind);
    return own.includes(module) ? own.indexOf(module) : own.length;
  };
  const present = new Set(columns.frame.map((place) => frames[place].kind));
  const legend = own.map((module, i) => [i, module || "no module"]);
  if (modules.length > own.length) legend.push([own.length, `${modules.length - own.length} other modules`]);
  kinds.forEach((kind, i) => {
    if (kind !== "all" && present.has(kind)) legend.push([own.length + 1 + i, kind]);
  });
  return {
    colors,
    legend,
    names: frames.map(({ name }) => name),
    wheres: frames.map(({ module, name }) => (module && !name.startsWith(`${module}+`) ? `[${module}]` : "")),
    color: frames.map(color),
  };
}
