SELECT c.event_id, s.ts_ns, s.duration_ns, s.pid, s.tid, s.syscall, c.call, s.ret, s.errno, s.stack_id,
    coalesce(s.resolved_path, s.path) AS path
FROM (
{{ listed }}
) AS c
JOIN syscalls AS s ON s.event_id = c.event_id
WHERE s.ts_ns IS NOT NULL AND s.pid IS NOT NULL AND s.tid IS NOT NULL
ORDER BY s.ts_ns, s.event_id
