// The calls of a trace as columns of numbers, and what is known of them without bpfrec.

import { shown } from "./printable.js";

// `facts`: what the package knows of system calls: `kinds` by name, `paths`: which argument is a path, by name.
export async function readCalls(trace, facts) {
  const names = ["event_id", "ts_ns", "duration_ns", "pid", "tid", "comm", "syscall", "ret", "errno", "path", "stack_id", "unfinished", "entry_status"];
  const args = ["arg0", "arg1", "arg2", "arg3", "arg4", "arg5"];
  const raw = await trace.table("syscalls", [...names, ...args]);
  const order = Array.from({ length: raw.rows }, (_, i) => i).filter((i) => raw.ts_ns[i] !== null);
  const start = trace.times.start_ns;
  const at = new Float64Array(raw.rows);
  for (const i of order) at[i] = Number(BigInt(raw.ts_ns[i]) - start);
  order.sort((a, b) => at[a] - at[b] || a - b);
  const took = raw.duration_ns.map((ns) => (ns === null ? null : Number(ns)));
  const length = Math.max(Number(trace.times.stop_ns - start), 1);
  const given = await addresses(trace);
  const number = (value) => (value === null ? null : Number(value));
  const calls = {
    ...raw,
    order,
    at,
    took,
    event_id: raw.event_id.map(number),
    ret: raw.ret.map((ret) => (ret === null ? null : BigInt(ret))),
    stack_id: raw.stack_id.map(number),
    given,
    failed: (i) => raw.errno[i] !== null,
    waited: (i) => (took[i] !== null ? took[i] : raw.unfinished[i] === "recording-stopped" ? length - at[i] : 0),
    length,
  };
  // They are asked for many times, and are few.
  const objects = new Array(raw.rows);
  calls.object = (i) => (objects[i] === undefined ? (objects[i] = about(calls, i, facts)) : objects[i]);
  calls.text = (i) => callText(calls, i, facts);
  return calls;
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

// What a call is about: its path as it was passed, an address, a process, a lock, a descriptor.
function about(calls, i, facts) {
  const name = calls.syscall[i] ?? "";
  if (calls.path[i] !== null) return shown(calls.path[i]);
  if (name.startsWith("futex")) return `lock 0x${BigInt(calls.arg0[i] ?? 0).toString(16)} of process ${calls.pid[i]}`;
  if (name === "wait4") return calls.ret[i] > 0n ? `process ${calls.ret[i]}` : "a child";
  if (name === "waitid") return "a child";
  const address = calls.given.get(calls.event_id[i]);
  if (address) return address.text;
  if (facts.descriptors.has(name) && calls.arg0[i] !== null) return `descriptor ${BigInt.asIntN(32, BigInt(calls.arg0[i]))}`;
  return null;
}

function callText(calls, i, facts) {
  const name = shown(calls.syscall[i] ?? "[unknown]");
  const parts = [];
  for (let place = 0; place < 6; place++) {
    const value = calls[`arg${place}`][i];
    if (value === null) break;
    const isPath = facts.paths[calls.syscall[i]] === place && calls.path[i] !== null;
    parts.push(isPath ? JSON.stringify(shown(calls.path[i])) : `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`);
  }
  const result = calls.ret[i] === null ? "?" : calls.failed(i) ? `-1 ${calls.errno[i]}` : String(calls.ret[i]);
  return `${name}(${parts.join(", ")}) = ${result}`;
}

