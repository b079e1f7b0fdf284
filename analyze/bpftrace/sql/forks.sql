-- Calls that made a thread, with the time at which it began.
syscalls AS s LEFT JOIN (
  SELECT tid, min(start_ns) AS start_ns FROM threads WHERE start_ns IS NOT NULL GROUP BY tid
) AS b ON b.tid = s.ret AND b.start_ns BETWEEN s.ts_ns AND s.ts_ns + s.duration_ns
