SELECT
    -- how many of these opens failed with this error
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
    -- entry of the first of them, wall clock (UTC)
    min(ts) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    max(ts) AS last_ts,
    -- absolute path; NULL: it is not known where path starts
    resolved_path,
    -- real user id
    uid & 4294967295 AS uid
FROM syscalls
WHERE syscall IN {{ opens }} AND failed(ret) AND {{ where }}
GROUP BY ALL
ORDER BY count DESC, first_ts, path, pid
{% if top %}
LIMIT {{ top }}
{% endif %}
