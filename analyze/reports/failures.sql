WITH successes AS (
    SELECT syscall, path, max(ts_ns) AS last_ns
    FROM syscalls
    WHERE ret IS NOT NULL AND errno IS NULL AND {{ where }}
    GROUP BY ALL
),
failures AS (
    SELECT
        count(*) AS count,
        syscall,
        errno,
        path,
        count(DISTINCT pid) AS processes,
        min(ts) AS first_ts,
        max(ts) AS last_ts,
        max(ts_ns) AS last_ns
    FROM syscalls
    WHERE errno IS NOT NULL AND {{ where }}
    GROUP BY syscall, errno, path
)
SELECT
    -- how often it failed so
    f.count,
    -- name of the system call
    f.syscall,
    -- name of the error
    f.errno,
    -- path as passed; NULL: the call takes none, or it is not known
    f.path,
    -- number of processes it failed in
    f.processes,
    -- entry of the first such call, wall clock (UTC)
    f.first_ts,
    -- entry of the last
    f.last_ts,
    -- whether the same call, with the same path if it has one, succeeded after the last failure
    coalesce(s.last_ns > f.last_ns, FALSE) AS succeeded_later
FROM failures AS f
LEFT JOIN successes AS s ON s.syscall = f.syscall AND s.path IS NOT DISTINCT FROM f.path
ORDER BY f.count DESC, f.first_ts, f.syscall, f.errno, f.path
