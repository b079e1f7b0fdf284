SELECT ts_ns, coalesce(pid, tid) AS pid, tid, name, text
FROM signals
WHERE ts_ns IS NOT NULL AND tid IS NOT NULL AND {{ wanted }}
ORDER BY ts_ns
