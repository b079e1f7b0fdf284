// The calls of a trace as columns of numbers, and what is known of them without bpfrec.

import { shown } from "./printable.js";

const CALL_NUMBERS = ["event_id", "ts_ns", "duration_ns", "pid", "tid", "ret", "stack_id", "arg0", "arg1", "arg2", "arg3", "arg4", "arg5"];
const CALL_TEXTS = ["comm", "syscall", "errno", "path", "unfinished", "entry_status"];
const UNKNOWN = -2;

// Distinct texts by number.
export class Pool {
  constructor() {
    this.numbers = new Map();
    this.texts = [];
  }

  // -1 for no text.
  number(text) {
    if (text === null || text === undefined) return -1;
    let number = this.numbers.get(text);
    if (number === undefined) {
      number = this.texts.length;
      this.numbers.set(text, number);
      this.texts.push(text);
    }
    return number;
  }
}

// The number, null where it is NaN.
export function known(value) {
  return value === value ? value : null;
}

// `facts`: what the package knows of system calls: `kinds` by name, `paths`: which argument is a path, by name.
// Numbers are Float64Arrays, NaN for none; texts and `ret` are asked with at(i), and have a code by row.
export async function readCalls(trace, facts, pause) {
  const raw = await trace.columns("syscalls", CALL_NUMBERS, CALL_TEXTS, pause);
  const at = raw.ts_ns.floats(trace.times.start_ns);
  const took = raw.duration_ns.floats();
  const length = Math.max(Number(trace.times.stop_ns - trace.times.start_ns), 1);
  const stopped = raw.unfinished.numbers.get("recording-stopped") ?? UNKNOWN;
  const calls = {
    rows: raw.rows,
    ...Object.fromEntries(CALL_TEXTS.map((name) => [name, raw[name]])),
    ret: raw.ret,
    arg: [0, 1, 2, 3, 4, 5].map((place) => raw[`arg${place}`]),
    order: ordered(at),
    at,
    took,
    pid: raw.pid.floats(),
    tid: raw.tid.floats(),
    event_id: raw.event_id.floats(),
    stack_id: raw.stack_id.floats(),
    given: await addresses(trace),
    failed: (i) => raw.errno.codes[i] >= 0,
    stopped: (i) => raw.unfinished.codes[i] === stopped,
    waited: (i) => (took[i] === took[i] ? took[i] : raw.unfinished.codes[i] === stopped ? length - at[i] : 0),
    length,
  };
  // What calls are about is asked for many times, and few things are distinct.
  const objects = new Int32Array(raw.rows).fill(UNKNOWN);
  const pool = new Pool();
  const ofPath = new Map();
  const ofName = raw.syscall.texts.map((name) => ({ name, isFutex: name.startsWith("futex"), takesDescriptor: facts.descriptors.has(name) }));
  const number = (i) => {
    const path = raw.path.codes[i];
    if (path < 0) return pool.number(about(calls, i, ofName));
    if (!ofPath.has(path)) ofPath.set(path, pool.number(shown(raw.path.texts[path])));
    return ofPath.get(path);
  };
  calls.objectCode = (i) => (objects[i] === UNKNOWN ? (objects[i] = number(i)) : objects[i]);
  calls.object = (i) => pool.texts[calls.objectCode(i)] ?? null;
  calls.text = (i) => callText(calls, i, facts);
  return calls;
}

// The rows that have a time, by it.
function ordered(at) {
  const known = new Uint32Array(at.length);
  let many = 0;
  let isSorted = true;
  for (let i = 0; i < at.length; i++) {
    if (at[i] !== at[i]) continue;
    if (many && at[known[many - 1]] > at[i]) isSorted = false;
    known[many++] = i;
  }
  const order = known.subarray(0, many);
  return isSorted ? order : order.sort((a, b) => at[a] - at[b] || a - b);
}

async function addresses(trace) {
  const raw = await trace.table("sockaddrs", ["event_id", "family", "address", "port"]);
  const given = new Map();
  for (let i = 0; i < raw.rows; i++) {
    const [family, address, port] = [raw.family[i], raw.address[i], raw.port[i]];
    const texts = { 1: `unix:${address}`, 2: `${address}:${port}`, 10: `[${address}]:${port}` };
    if (address && texts[family]) given.set(Number(raw.event_id[i]), { text: shown(texts[family]), family });
  }
  return given;
}

// What a call without a path is about: an address, a process, a lock, a descriptor.
function about(calls, i, ofName) {
  const { name, isFutex, takesDescriptor } = ofName[calls.syscall.codes[i]] ?? {};
  if (isFutex) return `lock 0x${BigInt(calls.arg[0].at(i) ?? 0).toString(16)} of process ${calls.pid[i]}`;
  if (name === "wait4") return calls.ret.at(i) > 0n ? `process ${calls.ret.at(i)}` : "a child";
  if (name === "waitid") return "a child";
  const address = calls.given.size ? calls.given.get(calls.event_id[i]) : undefined;
  if (address) return address.text;
  if (takesDescriptor && calls.arg[0].at(i) !== null) return `descriptor ${BigInt.asIntN(32, BigInt(calls.arg[0].at(i)))}`;
  return null;
}

function callText(calls, i, facts) {
  const syscall = calls.syscall.at(i);
  const path = calls.path.at(i);
  const parts = [];
  for (let place = 0; place < 6; place++) {
    const value = calls.arg[place].at(i);
    if (value === null) break;
    const isPath = facts.paths[syscall] === place && path !== null;
    parts.push(isPath ? JSON.stringify(shown(path)) : `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`);
  }
  const ret = calls.ret.at(i);
  const result = ret === null ? "?" : calls.failed(i) ? `-1 ${calls.errno.at(i)}` : String(ret);
  return `${shown(syscall ?? "[unknown]")}(${parts.join(", ")}) = ${result}`;
}
