WITH successes AS (
    SELECT pid, syscall, path, max(ts_ns) AS last_ns
    FROM syscalls
    WHERE ret IS NOT NULL AND errno IS NULL AND {{ later }}
    GROUP BY ALL
),
failures AS (
    SELECT
        pid,
        syscall,
        errno,
        path,
        count(*) AS count,
        min(ts) AS first_ts,
        max(ts) AS last_ts,
        max(ts_ns) AS last_ns
    FROM syscalls
    WHERE failed(ret) AND {{ where }}
    GROUP BY pid, syscall, errno, path
)
SELECT
    -- how many calls failed like this
    sum(f.count)::BIGINT AS count,
    -- name of the system call
    f.syscall,
    -- name of the error
    f.errno,
    -- path as passed; NULL: the call takes none, or it is not known
    f.path,
    -- number of processes it failed in
    count(*) AS processes,
    -- entry of the first of them, wall clock (UTC)
    min(f.first_ts) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    max(f.last_ts) AS last_ts,
    -- whether in each of the processes the same call, with the same path if it has one, succeeded after its last failure
    count(*) FILTER (s.last_ns > f.last_ns) = count(*) AS succeeded_later,
    -- in how many of the processes it did
    count(*) FILTER (s.last_ns > f.last_ns) AS processes_succeeded
FROM failures AS f
LEFT JOIN successes AS s ON s.pid = f.pid AND s.syscall = f.syscall AND s.path IS NOT DISTINCT FROM f.path
GROUP BY f.syscall, f.errno, f.path
ORDER BY count DESC, first_ts, f.syscall, f.errno, f.path
