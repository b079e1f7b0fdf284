SELECT
    s.pid,
    s.tid,
    coalesce(any_value(t.comm), any_value(s.comm)) AS comm,
    s.calls,
    s.failed
FROM (
    SELECT pid, tid, max_by(comm, ts_ns) AS comm, count(*) AS calls, count(*) FILTER (failed(ret)) AS failed
    FROM syscalls
    WHERE {{ where }}
    GROUP BY pid, tid
) AS s
LEFT JOIN (
    SELECT tid, max_by(comm, coalesce(start_ns, 0)) AS comm FROM threads GROUP BY tid
) AS t ON t.tid = s.tid
GROUP BY s.pid, s.tid, s.calls, s.failed
ORDER BY s.calls DESC, s.pid, s.tid
