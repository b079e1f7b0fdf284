-- Threads that ended, and whose number no other thread took over at that time, as the main thread's is by execve().
(
  SELECT t.*, p.uid FROM threads AS t LEFT JOIN processes AS p
    ON p.pid = t.pid AND p.end_ns >= t.end_ns AND coalesce(p.start_ns, 0) <= t.end_ns
) AS s
