// The model of a trace that is read in the browser: what analyze/page/model.py makes, as far as the tables alone tell.

import { count, seconds, wallClock } from "./format.js";
import { printable, shown } from "./printable.js";
import { readCalls } from "./viewer-calls.js";
import { flamesOf, readStacks } from "./viewer-flames.js";
import { latenciesOf, tablesOf } from "./viewer-tables.js";
import { timelineOf } from "./viewer-timeline.js";

const ROWS = 2000;

const LIMITS = {
  summary: "This viewer does not look for what is wrong; the command does: bpfrec report summary.",
  timeline: "Arguments are numbers, paths are as they were passed, and descriptors have no names here. bpfrec report calls has them in words.",
  waiting: "What a descriptor stands for is not looked up here. bpfrec report waiting names files, pipes and sockets.",
  failures: "Paths are as they were passed; what a descriptor stands for is not looked up here. bpfrec report failures does both.",
  files: "Only calls that were passed a path are counted here. Bytes, closes and calls on descriptors are in bpfrec report files.",
  network: "Only calls that were passed an address, or were given one, are counted here. What went through connections is in bpfrec report network.",
  processes: null,
  latency: null,
  stacks: "Functions have the names that the trace has; C++ and Rust names are not demangled here.",
};

export async function modelOf(trace, data, progress) {
  const facts = { ...data.facts, descriptors: new Set(data.facts.descriptors) };
  await progress("Reading calls");
  const calls = await readCalls(trace, facts, (share) => progress(`Reading calls: ${Math.floor(share * 100)} %`));
  await progress("Reading processes");
  const processes = await readProcesses(trace, calls);
  await progress("Reading stacks");
  const stacks = await readStacks(trace);
  const { monotonic_ns, wall_ns, start_ns } = trace.times;
  const startWall = String(start_ns + wall_ns - monotonic_ns);
  const clock = (ns) => `${wallClock(startWall, ns).replace(" ", "T")}Z`;
  const rows = await tablesOf(calls, processes, clock, (name) => progress(`Making tables: ${name}`));
  const losses = await readLosses(trace);
  await progress("Making the timeline");
  const timeline = timelineOf(trace, calls, processes, stacks.texts, facts);
  await progress("Making flame graphs");
  const flames = await flamesOf(trace, calls, stacks, data.palette);
  await progress("Drawing");
  return {
    title: printable(trace.name),
    trace: quoted(printable(trace.name)),
    losses: losses.said,
    chosen: [],
    start_wall_ns: startWall,
    summary: summary(trace, calls, processes, losses.rows, startWall, facts),
    timeline,
    tables: data.tables.map((spec) => filled(spec, rows[spec.id], processes)),
    latencies: latenciesOf(calls),
    flames,
    limits: LIMITS,
    time_title: "Time in calls",
    no_findings: "Not looked for here.",
  };
}

function filled(spec, rows, processes) {
  const value = (row, { name, kind }) => {
    const found = row[name] ?? null;
    return typeof found === "string" && kind !== "time" ? shown(found) : found;
  };
  return {
    ...spec,
    rows: rows.slice(0, ROWS).map((row) => spec.columns.map((column) => value(row, column))),
    total: rows.length,
    depths: spec.id === "processes" ? processes.map((life) => life.depth) : null,
    notes: [],
  };
}

// The lives of processes, each behind its parent, with times in ns since the recording began.
async function readProcesses(trace, calls) {
  const raw = await trace.table("processes", ["pid", "ppid", "start_ns", "end_ns", "comm", "cmdline", "exit_code", "signal"]);
  const since = (ns) => (ns === null ? null : Number(BigInt(ns) - trace.times.start_ns));
  const lives = Array.from({ length: raw.rows }, (_, i) => ({
    pid: raw.pid[i],
    ppid: raw.ppid[i],
    name: shown(raw.cmdline[i] ?? raw.comm[i] ?? "[unknown]"),
    start: since(raw.start_ns[i]),
    end: since(raw.end_ns[i]),
    code: raw.exit_code[i],
    signal: raw.signal[i],
    calls: 0,
    failed: 0,
    threads: new Set(),
    children: [],
    depth: 0,
  })).sort((a, b) => (a.start ?? -1) - (b.start ?? -1));
  const ofPid = new Map();
  for (const life of lives) ofPid.set(life.pid, [...(ofPid.get(life.pid) ?? []), life]);
  const alive = (pid, at) => (ofPid.get(pid) ?? []).findLast((life) => (life.start ?? -Infinity) <= at && at <= (life.end ?? Infinity));
  const exits = new Set(["exit_group", "exit"].map((name) => calls.syscall.numbers.get(name)));
  for (const i of calls.order) {
    const life = alive(calls.pid[i], calls.at[i]);
    if (!life) continue;
    life.calls += 1;
    if (calls.failed(i)) life.failed += 1;
    life.threads.add(calls.tid[i]);
    if (exits.has(calls.syscall.codes[i]) && life.code === null && life.signal === null) {
      life.code = Number(BigInt(calls.arg[0].at(i) ?? 0) & 255n);
    }
  }
  const roots = [];
  for (const life of lives) {
    const parent = life.start === null ? undefined : alive(life.ppid, life.start);
    if (parent && parent !== life) parent.children.push(life);
    else roots.push(life);
  }
  const placed = new Set();
  // Without recursion, for a chain of parents can be long. What no root leads to is a loop that somebody made up.
  const place = (root) => {
    const waiting = [[root, 0]];
    while (waiting.length) {
      const [life, depth] = waiting.pop();
      if (placed.has(life)) continue;
      life.depth = depth;
      placed.add(life);
      for (const child of life.children.toReversed()) waiting.push([child, depth + 1]);
    }
  };
  roots.forEach(place);
  lives.forEach(place);
  return [...placed];
}

async function readLosses(trace) {
  const raw = await trace.table("losses", ["kind", "severity", "count", "remedy"]);
  const rows = [];
  let missing = 0;
  for (let i = 0; i < raw.rows; i++) {
    const number = Number(raw.count[i] ?? 0);
    if (raw.severity[i] === "data_loss") missing += number;
    rows.push([shown(raw.kind[i] ?? ""), String(number), shown([raw.severity[i], raw.remedy[i]].filter(Boolean).join(": ")), null]);
  }
  return { rows, said: missing > 0 ? [`This trace lacks ${count(missing)} events; the summary says which.`] : [] };
}

function summary(trace, calls, processes, losses, startWall, facts) {
  const { manifest } = trace;
  const host = manifest.host ?? {};
  const text = (value) => shown(String(value ?? ""));
  const quotedAll = (words) => (Array.isArray(words) ? words.map((word) => quoted(String(word))).join(" ") : "");
  const recording = [
    ["file", printable(trace.name), `${count(trace.size)} bytes`, null],
    ["host", text(host.name), text(`${host.kernel}, ${host.arch}, ${host.cpus} CPUs`), null],
    ["start", `${wallClock(startWall, 0).slice(0, 19)} UTC`, null, null],
    ["length", `${seconds(calls.length, 3)} s`, `ended by: ${text(manifest.stopped)}`, null],
    ["calls", String(calls.order.length), `${Math.round(calls.order.length / (calls.length / 1e9))} a second`, null],
    ["command", text(quotedAll(manifest.command_line)), `bpfrec ${text(manifest.tool_version)}`, null],
  ];
  return { recording, findings: [], time: timeByKind(calls, facts), losses };
}

// The time in calls by kind. How long threads lived besides is not worked out here.
function timeByKind(calls, facts) {
  const spent = facts.kind_names.map((name) => ({ name, ns: 0, number: 0 }));
  const kindOf = calls.syscall.texts.map((name) => spent[facts.kinds[name] ?? spent.length - 1]);
  for (const i of calls.order) {
    const kind = kindOf[calls.syscall.codes[i]] ?? spent[spent.length - 1];
    kind.ns += calls.waited(i);
    kind.number += 1;
  }
  const all = spent.reduce((sum, kind) => sum + kind.ns, 0) || 1;
  return spent
    .filter((kind) => kind.ns > 0)
    .sort((a, b) => b.ns - a.ns)
    .map(({ name, ns, number }) => [name, `${((100 * ns) / all).toFixed(1)} %`, `${(ns / 1e9).toFixed(3)} s in ${count(number)} calls`]);
}

function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
