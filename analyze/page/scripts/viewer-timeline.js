// The timeline of a trace that is read in the browser: the same model as analyze/page/timeline.py makes.

import { count } from "./format.js";
import { shown } from "./printable.js";

const ROOM = { calls: 20000, lanes: 400, buckets: 60000, stacks: 2000 };
const ACTIVITY_BUCKETS = 300;

class Pool {
  constructor() {
    this.numbers = new Map();
  }

  number(text) {
    if (text === null || text === undefined) return -1;
    if (!this.numbers.has(text)) this.numbers.set(text, this.numbers.size);
    return this.numbers.get(text);
  }

  get texts() {
    return [...this.numbers.keys()];
  }
}

export function timelineOf(trace, calls, processes, stackText, facts) {
  const { order, at } = calls;
  const threads = new Map();
  for (const i of order) {
    const key = `${calls.pid[i]} ${calls.tid[i]}`;
    if (!threads.has(key)) threads.set(key, { pid: calls.pid[i], tid: calls.tid[i], calls: 0, failed: 0, comm: null });
    const thread = threads.get(key);
    thread.calls += 1;
    if (calls.failed(i)) thread.failed += 1;
    thread.comm = calls.comm[i] ?? thread.comm;
  }
  const all = [...threads].sort((a, b) => b[1].calls - a[1].calls);
  const kept = all.slice(0, ROOM.lanes);
  const laneOf = new Map(kept.map(([key], lane) => [key, lane]));
  const lane = (i) => laneOf.get(`${calls.pid[i]} ${calls.tid[i]}`);
  const chosen = chosenCalls(calls).filter((i) => lane(i) !== undefined);
  const pools = Object.fromEntries(["names", "errnos", "objects", "remarks"].map((name) => [name, new Pool()]));
  const columns = ["event", "lane", "at", "took", "name", "errno", "ret", "text", "path", "object", "stack", "remark"];
  const listed = Object.fromEntries(columns.map((name) => [name, []]));
  const frames = new Pool();
  const stacks = {};
  for (const i of chosen) {
    const stack = calls.stack_id[i];
    if (stack !== null && !(stack in stacks) && Object.keys(stacks).length < ROOM.stacks) {
      stacks[stack] = stackText(stack).map((text) => frames.number(text));
    }
    const path = calls.path[i] === null ? null : shown(calls.path[i]);
    const ret = calls.ret[i] === null ? null : String(calls.ret[i]);
    const row = [
      ...[calls.event_id[i], lane(i), at[i], calls.took[i], pools.names.number(shown(calls.syscall[i] ?? "[unknown]"))],
      ...[pools.errnos.number(calls.errno[i]), ret, calls.text(i), pools.objects.number(path)],
      ...[pools.objects.number(calls.object(i)), stack, pools.remarks.number(calls.unfinished[i] ?? calls.entry_status[i])],
    ];
    columns.forEach((name, place) => listed[name].push(row[place]));
  }
  const notes = [];
  if (chosen.length < order.length) {
    notes.push(
      `${count(chosen.length)} of ${count(order.length)} calls are drawn one by one: the longest, and failures. ` +
        "Of the others the lanes show how many there were, and how many failed.",
    );
  }
  if (all.length > kept.length) {
    const hidden = all.slice(ROOM.lanes).reduce((sum, [, thread]) => sum + thread.calls, 0);
    notes.push(`Threads without a lane, those with the fewest calls: ${count(all.length - kept.length)}, with ${count(hidden)} calls.`);
  }
  const names = pools.names.texts;
  return {
    length_ns: calls.length,
    kinds: facts.kind_names,
    lanes: kept.map(([, thread]) => ({ ...thread, comm: shown(thread.comm ?? "[unknown]") })),
    lives: processes.map(({ pid, name, start, end, code, signal }) => ({ pid, name: name.slice(0, 200), start, end, code, signal })),
    calls: listed,
    names,
    of_kind: names.map((name) => facts.kinds[name] ?? facts.kind_names.length - 1),
    errnos: pools.errnos.texts,
    objects: pools.objects.texts,
    remarks: pools.remarks.texts,
    stacks,
    frames: frames.texts,
    activity: activity(calls),
    buckets: chosen.length < order.length ? buckets(calls, lane, kept.length) : null,
    total: order.length,
    notes,
  };
}

function chosenCalls(calls) {
  if (calls.order.length <= ROOM.calls) return calls.order;
  const failed = calls.order.filter((i) => calls.failed(i));
  const each = Math.max(Math.ceil(failed.length / ((ROOM.calls * 2) / 5)), 1);
  const failures = failed.filter((_, place) => place % each === 0);
  const longest = [...calls.order].sort((a, b) => calls.waited(b) - calls.waited(a)).slice(0, ROOM.calls - failures.length);
  const both = new Set([...failures, ...longest]);
  return calls.order.filter((i) => both.has(i));
}

function bucketOf(calls, i, ns, most) {
  return Math.min(Math.max(Math.floor(calls.at[i] / ns), 0), most - 1);
}

function activity(calls) {
  const ns = Math.max(Math.ceil(calls.length / ACTIVITY_BUCKETS), 1);
  const found = { ns, calls: new Array(ACTIVITY_BUCKETS).fill(0), failed: new Array(ACTIVITY_BUCKETS).fill(0) };
  for (const i of calls.order) {
    const place = bucketOf(calls, i, ns, ACTIVITY_BUCKETS);
    found.calls[place] += 1;
    if (calls.failed(i)) found.failed[place] += 1;
  }
  return found;
}

function buckets(calls, lane, lanes) {
  const most = Math.min(Math.max(Math.floor(ROOM.buckets / lanes), 20), 2000);
  const ns = Math.max(Math.ceil(calls.length / most), 1);
  const numbers = new Map();
  for (const i of calls.order) {
    const of = lane(i);
    if (of === undefined) continue;
    const key = of * most + bucketOf(calls, i, ns, most);
    const pair = numbers.get(key) ?? [0, 0];
    pair[0] += 1;
    if (calls.failed(i)) pair[1] += 1;
    numbers.set(key, pair);
  }
  const found = { ns, lane: [], bucket: [], calls: [], failed: [] };
  for (const [key, [number, failed]] of numbers) {
    found.lane.push(Math.floor(key / most));
    found.bucket.push(key % most);
    found.calls.push(number);
    found.failed.push(failed);
  }
  return found;
}
