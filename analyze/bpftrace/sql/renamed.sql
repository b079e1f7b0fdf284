-- A thread's name at the exit of a call, where it got another one while the call went on: prctl(), execve(), or others.
LEFT JOIN (
  SELECT c.event_id, arg_max(n.comm, n.start_ns) AS comm
  FROM threads AS n JOIN syscalls AS c
    ON c.tid = n.tid AND n.start_ns > c.ts_ns AND n.start_ns <= c.ts_ns + c.duration_ns
  GROUP BY c.event_id
) AS renamed ON renamed.event_id = e.event
