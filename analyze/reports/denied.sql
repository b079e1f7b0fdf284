SELECT
    -- how often
    count(*) AS count,
    -- real user id
    uid & 4294967295 AS uid,
    -- name of the thread
    comm,
    -- process id
    pid,
    -- name of the system call
    syscall,
    -- EPERM or EACCES
    errno,
    -- what it was about: absolute path, peer of a socket ...; the path as passed if that is all that is known
    coalesce(resolved_path, path, resolved_path2, path2) AS object,
    -- entry of the first of them, wall clock (UTC)
    min(ts) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    max(ts) AS last_ts
FROM syscalls
WHERE errno IN ('EPERM', 'EACCES') AND {{ where }}
GROUP BY ALL
ORDER BY count DESC, first_ts, syscall, object, pid
{% if top %}
LIMIT {{ top }}
{% endif %}
