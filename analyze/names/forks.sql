-- Calls that made processes and threads, their flags (NULL: not known), and until when they lasted; times are 2 * ns.
SELECT
    s.pid, s.tid, 2 * ts_ns AS entered, 2 * (ts_ns + duration_ns) AS ended,
    CASE syscall WHEN 'clone' THEN arg0 WHEN 'clone3' THEN a.word0 ELSE 0 END AS flags,
    CAST(ret AS INTEGER) AS child
FROM world_calls AS s
LEFT JOIN structs AS a ON syscall = 'clone3' AND a.event_id = s.event_id AND a.kind = 'clone_args'
WHERE syscall IN {{ calls }} AND (ret BETWEEN 1 AND 2147483647 OR ret IS NULL)
