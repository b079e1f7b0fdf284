SELECT
    -- the call, in syscalls
    event_id,
    -- entry, wall clock (UTC)
    ts,
    -- seconds from the return of the first of them to the return of this one
    (end_us - min(end_us) OVER ()) / 1e6 AS time_s,
    -- process id
    pid,
    -- name of the thread
    comm,
    -- which of the calls
    syscall,
    -- what it returned: 0, or -errno
    ret,
    -- name of the error; NULL: it worked
    errno,
    -- path as passed; NULL: see path_status
    path,
    -- NULL: path is whole; else why it is not
    path_status
FROM (
    SELECT event_id, ts, ts_ns, (ts_ns + duration_ns) // 1000 AS end_us, pid, comm, syscall, ret, errno, path, path_status
    FROM syscalls
    WHERE syscall IN ('stat', 'lstat', 'newfstatat', 'statx', 'statfs', 'stat64', 'lstat64', 'fstatat64', 'statfs64', 'oldstat', 'oldlstat')
        -- of a descriptor alone
        AND path IS DISTINCT FROM ''
        AND ret IS NOT NULL AND {{ where }}
)
ORDER BY end_us, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
