// The tables of a trace that is read in the browser. They have the columns of the reports, and less is known for some.

const WAIT_NS = 100000;
const NOT_YET = new Set(["EAGAIN", "EINPROGRESS", "EALREADY"]);
const WITH_BYTES_SENT = new Set(["sendto"]);
const WITH_BYTES_RECEIVED = new Set(["recvfrom"]);

// The rows of each table, as objects by column.
export function tablesOf(calls, processes, clock) {
  return {
    waiting: waiting(calls),
    failures: failures(calls, clock),
    files: files(calls),
    network: network(calls),
    processes: processes.map((life) => ({
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
    })),
    latency: latency(calls),
  };
}

function grouped(indexes, key) {
  const groups = new Map();
  for (const i of indexes) {
    const name = key(i);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(i);
  }
  return [...groups.values()];
}

function sum(indexes, value) {
  return indexes.reduce((total, i) => total + (value(i) ?? 0), 0);
}

function waiting(calls) {
  const long = calls.order.filter((i) => calls.waited(i) >= WAIT_NS);
  return grouped(long, (i) => `${calls.syscall[i]}\n${calls.object(i)}`)
    .map((group) => ({
      object: calls.object(group[0]),
      syscall: calls.syscall[group[0]],
      total_ns: sum(group, calls.waited),
      calls: group.length,
      max_ns: group.reduce((most, i) => Math.max(most, calls.waited(i)), 0),
      still: group.filter((i) => calls.unfinished[i] === "recording-stopped").length,
      threads: new Set(group.map((i) => calls.tid[i])).size,
      processes: new Set(group.map((i) => calls.pid[i])).size,
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

function failures(calls, clock) {
  const failed = calls.order.filter((i) => calls.failed(i));
  const worked = new Map();
  const key = (i) => `${calls.pid[i]}\n${calls.syscall[i]}\n${calls.object(i)}`;
  const wanted = new Set(failed.map(key));
  for (const i of calls.order) {
    if (calls.ret[i] !== null && !calls.failed(i) && wanted.has(key(i))) worked.set(key(i), calls.at[i]);
  }
  const isLater = (group) => {
    const last = new Map();
    for (const i of group) last.set(key(i), calls.at[i]);
    return [...last].every(([of, at]) => worked.has(of) && worked.get(of) > at);
  };
  return grouped(failed, (i) => `${calls.syscall[i]}\n${calls.errno[i]}\n${calls.object(i)}`)
    .map((group) => {
      const one = new Set(group.map((i) => calls.pid[i])).size === 1;
      return {
        object: calls.object(group[0]),
        count: group.length,
        syscall: calls.syscall[group[0]],
        errno: calls.errno[group[0]],
        comm: one ? calls.comm[group[0]] : null,
        pid: one ? calls.pid[group[0]] : null,
        first_ts: clock(calls.at[group[0]]),
        last_ts: clock(calls.at[group[group.length - 1]]),
        succeeded_later: isLater(group),
      };
    })
    .sort((a, b) => NOT_YET.has(a.errno) - NOT_YET.has(b.errno) || b.count - a.count);
}

function files(calls) {
  const named = calls.order.filter((i) => calls.path[i] !== null);
  return grouped(named, (i) => calls.path[i])
    .map((group) => ({
      path: calls.object(group[0]),
      opens: group.filter((i) => /^(open|openat|openat2|creat)$/.test(calls.syscall[i]) && !calls.failed(i)).length,
      closes: null,
      left_open: null,
      failures: group.filter((i) => calls.failed(i)).length,
      bytes_read: null,
      bytes_written: null,
      calls: group.length,
      total_ns: sum(group, (i) => calls.took[i]),
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

function network(calls) {
  const named = calls.order.filter((i) => calls.given.has(calls.event_id[i]));
  const peer = (i) => calls.given.get(calls.event_id[i]);
  const moved = (group, names) =>
    group.some((i) => names.has(calls.syscall[i])) ? sum(group, (i) => (names.has(calls.syscall[i]) && !calls.failed(i) ? Number(calls.ret[i]) : 0)) : null;
  return grouped(named, (i) => peer(i).text)
    .map((group) => ({
      peer: peer(group[0]).text.replace(/^unix:/, ""),
      protocol: peer(group[0]).family === 1 ? "unix" : null,
      connects: group.filter((i) => calls.syscall[i] === "connect" && !calls.failed(i)).length,
      accepts: group.filter((i) => /^accept4?$/.test(calls.syscall[i]) && !calls.failed(i)).length,
      failures: group.filter((i) => calls.failed(i)).length,
      bytes_sent: moved(group, WITH_BYTES_SENT),
      bytes_received: moved(group, WITH_BYTES_RECEIVED),
      calls: group.length,
      total_ns: sum(group, (i) => calls.took[i]),
    }))
    .sort((a, b) => b.total_ns - a.total_ns);
}

// The calls whose entry and return were seen, by name: those that latencies are about.
function timed(calls) {
  return grouped(
    calls.order.filter((i) => calls.took[i] !== null && calls.entry_status[i] === null),
    (i) => calls.syscall[i],
  );
}

function latency(calls) {
  return timed(calls)
    .map((group) => {
      const sorted = Float64Array.from(group, (i) => calls.took[i]).sort();
      // The smallest value that so many do not exceed, as DuckDB's quantile_disc.
      const quantile = (share) => sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)];
      return {
        syscall: calls.syscall[group[0]],
        count: group.length,
        errors: group.filter((i) => calls.failed(i)).length,
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
    found[calls.syscall[group[0]]] = [...slots].sort((a, b) => a[0] - b[0]);
  }
  return found;
}
