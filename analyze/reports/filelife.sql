WITH created AS (
    SELECT ts_ns + duration_ns AS made_ns, coalesce(resolved_path, path) AS file
    FROM syscalls
    WHERE ret >= 0 AND (
        syscall IN ('creat', 'mknod', 'mknodat')
        OR (syscall = 'open' AND arg1 & 64 != 0)
        OR (syscall = 'openat' AND arg2 & 64 != 0)
        OR (syscall = 'openat2' AND event_id IN (SELECT event_id FROM structs WHERE kind = 'open_how' AND word0 & 64 != 0))
    )
),
removed AS (
    SELECT
        event_id, ts, ts_ns, pid, comm, ts_ns + duration_ns AS gone_ns, coalesce(resolved_path, path) AS file,
        lag(ts_ns + duration_ns, 1, 0) OVER (PARTITION BY coalesce(resolved_path, path) ORDER BY ts_ns) AS before_ns
    FROM syscalls
    WHERE syscall IN ('unlink', 'unlinkat') AND ret = 0 AND coalesce(resolved_path, path) IS NOT NULL
)
SELECT
    -- the call that removed it, in syscalls
    r.event_id,
    -- when it was removed, wall clock (UTC)
    make_timestamp_ns(any_value(r.gone_ns) + {{ wall_offset_ns }}) AS ts,
    -- process that removed it
    any_value(r.pid) AS pid,
    -- name of the thread
    any_value(r.comm) AS comm,
    -- seconds from the first open that could have created it to its end
    (any_value(r.gone_ns) - min(c.made_ns)) / 1e9 AS age_s,
    -- its absolute name; as passed if that is all that is known
    any_value(r.file) AS file
FROM removed AS r
JOIN created AS c ON c.file = r.file AND c.made_ns <= r.gone_ns AND c.made_ns > r.before_ns
WHERE r.event_id IN (SELECT event_id FROM syscalls WHERE {{ where }})
GROUP BY r.event_id
ORDER BY any_value(r.gone_ns), r.event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
