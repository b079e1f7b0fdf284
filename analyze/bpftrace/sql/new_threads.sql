-- A new thread returns from the call that made it, too, with 0, on a CPU that the trace does not have.
(
  SELECT c.event_id, c.ts_ns, c.duration_ns, b.pid, b.tid, c.comm, c.uid, NULL AS cpu, c.abi, c.nr, c.syscall, 0 AS ret,
    NULL AS stack_id, 'new thread' AS stack_status, b.start_ns AS born_ns
  FROM syscalls AS c JOIN (
    SELECT tid, any_value(pid) AS pid, min(start_ns) AS start_ns FROM threads WHERE start_ns IS NOT NULL GROUP BY tid
  ) AS b ON b.tid = c.ret AND b.start_ns BETWEEN c.ts_ns AND c.ts_ns + c.duration_ns
  WHERE c.ret > 0 AND c.syscall IN {{ forks }}
) AS s
