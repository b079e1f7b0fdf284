SELECT
    -- how often it failed so
    count(*) AS count,
    -- name of the error
    errno,
    -- name of the thread
    comm,
    -- process id
    pid,
    -- path as passed; NULL: see path_status
    path,
    -- NULL: path is whole; else why it is not
    path_status,
    -- entry of the first such call, wall clock (UTC)
    min(ts) AS first_ts,
    -- entry of the last
    max(ts) AS last_ts
FROM syscalls
WHERE syscall IN {{ family }} AND failed(ret) AND {{ where }}
GROUP BY ALL
ORDER BY count DESC, first_ts, path, pid
