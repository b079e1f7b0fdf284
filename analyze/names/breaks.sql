-- What ends the sharing of descriptors or directories, or closes descriptors at once; times are 2 * ns.
SELECT
    s.pid, s.tid, syscall, 2 * ts_ns AS entered, 2 * (ts_ns + duration_ns) AS ended, arg0, arg1, arg2,
    coalesce(t.threads > 1, FALSE) AS has_threads
FROM world_calls AS s
LEFT JOIN (SELECT pid, count(DISTINCT tid) AS threads FROM threads GROUP BY pid) AS t ON t.pid = s.pid
WHERE syscall IN {{ calls }} AND ret = 0
