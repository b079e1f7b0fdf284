// The timeline of a trace that is read in the browser: the same model as analyze/page/timeline.py makes.

import { count } from "./format.js";
import { shown } from "./printable.js";
import { known, Pool } from "./viewer-calls.js";

const ROOM = { calls: 20000, lanes: 400, buckets: 60000, stacks: 2000 };
const ACTIVITY_BUCKETS = 300;

export function timelineOf(trace, calls, processes, stackText, facts) {
  const { order, at } = calls;
  const threads = new Map();
  const threadOf = new Array(calls.rows);
  for (const i of order) {
    const key = (calls.pid[i] || 0) * 2 ** 24 + (calls.tid[i] || 0);
    let thread = threads.get(key);
    if (!thread) threads.set(key, (thread = { pid: calls.pid[i], tid: calls.tid[i], calls: 0, failed: 0, comm: null, lane: undefined }));
    threadOf[i] = thread;
    thread.calls += 1;
    if (calls.failed(i)) thread.failed += 1;
    thread.comm = calls.comm.at(i) ?? thread.comm;
  }
  const all = [...threads.values()].sort((a, b) => b.calls - a.calls);
  const kept = all.slice(0, ROOM.lanes);
  kept.forEach((thread, place) => (thread.lane = place));
  const lane = (i) => threadOf[i].lane;
  const chosen = chosenCalls(calls).filter((i) => lane(i) !== undefined);
  const pools = Object.fromEntries(["names", "errnos", "objects", "remarks"].map((name) => [name, new Pool()]));
  const columns = ["event", "lane", "at", "took", "name", "errno", "ret", "text", "path", "object", "stack", "remark"];
  const listed = Object.fromEntries(columns.map((name) => [name, []]));
  const frames = new Pool();
  const stacks = {};
  for (const i of chosen) {
    const stack = known(calls.stack_id[i]);
    if (stack !== null && !(stack in stacks) && Object.keys(stacks).length < ROOM.stacks) {
      stacks[stack] = stackText(stack).map((text) => frames.number(text));
    }
    const path = calls.path.at(i) === null ? null : shown(calls.path.at(i));
    const ret = calls.ret.at(i) === null ? null : String(calls.ret.at(i));
    const row = [
      ...[known(calls.event_id[i]), lane(i), at[i], known(calls.took[i]), pools.names.number(shown(calls.syscall.at(i) ?? "[unknown]"))],
      ...[pools.errnos.number(calls.errno.at(i)), ret, calls.text(i), pools.objects.number(path)],
      ...[pools.objects.number(calls.object(i)), stack, pools.remarks.number(calls.unfinished.at(i) ?? calls.entry_status.at(i))],
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
    const hidden = all.slice(ROOM.lanes).reduce((sum, thread) => sum + thread.calls, 0);
    notes.push(`Threads without a lane, those with the fewest calls: ${count(all.length - kept.length)}, with ${count(hidden)} calls.`);
  }
  const names = pools.names.texts;
  return {
    length_ns: calls.length,
    kinds: facts.kind_names,
    lanes: kept.map(({ pid, tid, calls: number, failed, comm }) => ({ pid: known(pid), tid: known(tid), calls: number, failed, comm: shown(comm ?? "[unknown]") })),
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
  const wanted = new Uint8Array(calls.rows);
  for (const i of failures) wanted[i] = 1;
  for (const i of longestOf(calls, ROOM.calls - failures.length)) wanted[i] = 1;
  return calls.order.filter((i) => wanted[i]);
}

// The `many` calls that waited longest, the earlier of two that waited as long.
function longestOf(calls, many) {
  const times = new Float64Array(calls.order.length);
  calls.order.forEach((i, place) => (times[place] = calls.waited(i)));
  times.sort();
  const least = times[times.length - many];
  const longer = calls.order.filter((i) => calls.waited(i) > least);
  return [...longer, ...calls.order.filter((i) => calls.waited(i) === least).subarray(0, many - longer.length)];
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
  const numbers = new Int32Array(lanes * most);
  const failures = new Int32Array(lanes * most);
  for (const i of calls.order) {
    const of = lane(i);
    if (of === undefined) continue;
    const place = of * most + bucketOf(calls, i, ns, most);
    numbers[place] += 1;
    if (calls.failed(i)) failures[place] += 1;
  }
  const found = { ns, lane: [], bucket: [], calls: [], failed: [] };
  for (let place = 0; place < numbers.length; place++) {
    if (numbers[place] === 0) continue;
    found.lane.push(Math.floor(place / most));
    found.bucket.push(place % most);
    found.calls.push(numbers[place]);
    found.failed.push(failures[place]);
  }
  return found;
}
