// The tables of a trace that is read in the browser. They have the columns of the reports, and less is known for some.

import { known, Pool } from "./viewer-calls.js";

const WAIT_NS = 100000;
const NOT_YET = new Set(["EAGAIN", "EINPROGRESS", "EALREADY"]);
const WITH_BYTES_SENT = new Set(["sendto"]);
const WITH_BYTES_RECEIVED = new Set(["recvfrom"]);

// The rows of each table, as objects by column. `pause` is called before each.
export async function tablesOf(calls, processes, clock, pause) {
  const made = {
    waiting: () => waiting(calls),
    failures: () => failures(calls, clock),
    files: () => files(calls),
    network: () => network(calls),
    processes: () => processes.map(processRow(calls)),
    latency: () => latency(calls),
  };
  const tables = {};
  for (const name of Object.keys(made)) {
    await pause(name);
    tables[name] = made[name]();
  }
  return tables;
}

function processRow(calls) {
  return (life) => ({
    cmdline: life.name,
    pid: life.pid,
    ppid: life.ppid,
    start_s: life.start === null ? null : life.start / 1e9,
    duration_ns: (life.end ?? calls.length) - (life.start ?? 0),
    threads: life.threads.size,
    calls: life.calls,
    failed: life.failed,
    exit_code: life.code,
    signal: life.signal,
  });
}

// Those with the same number go together.
function grouped(indexes, key) {
  const groups = new Map();
  for (const i of indexes) {
    const number = key(i);
    const group = groups.get(number);
    if (group) group.push(i);
    else groups.set(number, [i]);
  }
  return [...groups.values()];
}

// Two numbers, of which the first is small, as one; -1 is no number.
function both(first, second) {
  return (first + 1) * 2 ** 32 + second + 1;
}

function sum(indexes, value) {
  let total = 0;
  for (const i of indexes) total += value(i) || 0;
  return total;
}

function number(indexes, is) {
  let total = 0;
  for (const i of indexes) if (is(i)) total += 1;
  return total;
}

function distinct(indexes, values) {
  const found = new Set();
  for (const i of indexes) found.add(values[i]);
  return found.size;
}

function waiting(calls) {
  const long = calls.order.filter((i) => calls.waited(i) >= WAIT_NS);
  return grouped(long, (i) => both(calls.syscall.codes[i], calls.objectCode(i)))
    .map((group) => ({
      object: calls.object(group[0]),
      syscall: calls.syscall.at(group[0]),
      total_ns: sum(group, calls.waited),
      calls: group.length,
      max_ns: group.reduce((most, i) => Math.max(most, calls.waited(i)), 0),
      still: number(group, calls.stopped),
      threads: distinct(group, calls.tid),
      processes: distinct(group, calls.pid),
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

function failures(calls, clock) {
  const failed = calls.order.filter((i) => calls.failed(i));
  // A process, a call and what it is about, as one number.
  const abouts = new Pool();
  const key = (i) => both(abouts.number(both(calls.syscall.codes[i], calls.objectCode(i))), calls.pid[i] || 0);
  const names = new Set();
  const wanted = new Set();
  for (const i of failed) {
    names.add(calls.syscall.codes[i]);
    wanted.add(key(i));
  }
  const worked = new Map();
  for (const i of calls.order) {
    if (!names.has(calls.syscall.codes[i]) || calls.failed(i) || !calls.ret.valid[i]) continue;
    const of = key(i);
    if (wanted.has(of)) worked.set(of, calls.at[i]);
  }
  const isLater = (group) => {
    const last = new Map();
    for (const i of group) last.set(key(i), calls.at[i]);
    return [...last].every(([of, at]) => worked.has(of) && worked.get(of) > at);
  };
  const calledSo = new Pool();
  return grouped(failed, (i) => both(calledSo.number(both(calls.syscall.codes[i], calls.errno.codes[i])), calls.objectCode(i)))
    .map((group) => {
      const one = distinct(group, calls.pid) === 1;
      return {
        object: calls.object(group[0]),
        count: group.length,
        syscall: calls.syscall.at(group[0]),
        errno: calls.errno.at(group[0]),
        comm: one ? calls.comm.at(group[0]) : null,
        pid: one ? known(calls.pid[group[0]]) : null,
        first_ts: clock(calls.at[group[0]]),
        last_ts: clock(calls.at[group[group.length - 1]]),
        succeeded_later: isLater(group),
      };
    })
    .sort((a, b) => NOT_YET.has(a.errno) - NOT_YET.has(b.errno) || b.count - a.count);
}

function files(calls) {
  const named = calls.order.filter((i) => calls.path.codes[i] >= 0);
  const opening = codesOf(calls, /^(open|openat|openat2|creat)$/);
  return grouped(named, (i) => calls.path.codes[i])
    .map((group) => ({
      path: calls.object(group[0]),
      opens: number(group, (i) => opening.has(calls.syscall.codes[i]) && !calls.failed(i)),
      closes: null,
      left_open: null,
      failures: number(group, calls.failed),
      bytes_read: null,
      bytes_written: null,
      calls: group.length,
      total_ns: sum(group, (i) => calls.took[i]),
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

function network(calls) {
  if (calls.given.size === 0) return [];
  const named = calls.order.filter((i) => calls.given.has(calls.event_id[i]));
  const accepting = codesOf(calls, /^accept4?$/);
  const connecting = codesOf(calls, /^connect$/);
  const peers = new Pool();
  const peer = (i) => calls.given.get(calls.event_id[i]);
  const moved = (group, names) =>
    group.some((i) => names.has(calls.syscall.at(i))) ? sum(group, (i) => (names.has(calls.syscall.at(i)) && !calls.failed(i) ? Number(calls.ret.at(i)) : 0)) : null;
  return grouped(named, (i) => peers.number(peer(i).text))
    .map((group) => ({
      peer: peer(group[0]).text.replace(/^unix:/, ""),
      protocol: peer(group[0]).family === 1 ? "unix" : null,
      connects: number(group, (i) => connecting.has(calls.syscall.codes[i]) && !calls.failed(i)),
      accepts: number(group, (i) => accepting.has(calls.syscall.codes[i]) && !calls.failed(i)),
      failures: number(group, calls.failed),
      bytes_sent: moved(group, WITH_BYTES_SENT),
      bytes_received: moved(group, WITH_BYTES_RECEIVED),
      calls: group.length,
      total_ns: sum(group, (i) => calls.took[i]),
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

// The codes of the system calls whose names are so.
function codesOf(calls, names) {
  return new Set(calls.syscall.texts.flatMap((name, code) => (names.test(name) ? [code] : [])));
}

// The calls whose entry and return were seen, by name: those that latencies are about.
function timed(calls) {
  return grouped(
    calls.order.filter((i) => calls.took[i] === calls.took[i] && calls.entry_status.codes[i] < 0),
    (i) => calls.syscall.codes[i],
  );
}

function latency(calls) {
  return timed(calls)
    .map((group) => {
      const sorted = Float64Array.from(group, (i) => calls.took[i]).sort();
      // The smallest value that so many do not exceed, as DuckDB's quantile_disc.
      const quantile = (share) => sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)];
      return {
        syscall: calls.syscall.at(group[0]),
        count: group.length,
        errors: number(group, calls.failed),
        total_ns: sum(group, (i) => calls.took[i]),
        min_ns: sorted[0],
        p50_ns: quantile(0.5),
        p90_ns: quantile(0.9),
        p99_ns: quantile(0.99),
        max_ns: sorted[sorted.length - 1],
      };
    })
    .sort((a, b) => b.total_ns - a.total_ns);
}

// The histogram of each call: pairs of a power of two in ns and a number, the most frequent call first.
export function latenciesOf(calls) {
  const found = {};
  for (const group of timed(calls).sort((a, b) => b.length - a.length)) {
    const slots = new Map();
    for (const i of group) {
      const from = calls.took[i] < 2 ? 0 : 2 ** Math.floor(Math.log2(calls.took[i]));
      slots.set(from, (slots.get(from) ?? 0) + 1);
    }
    found[calls.syscall.at(group[0])] = [...slots].sort((a, b) => a[0] - b[0]);
  }
  return found;
}
