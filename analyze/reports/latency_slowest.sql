SELECT event_id
FROM syscalls
WHERE duration_ns IS NOT NULL AND entry_status IS NULL AND {{ where }}
ORDER BY duration_ns DESC, ts_ns, event_id
LIMIT {{ slowest }}
