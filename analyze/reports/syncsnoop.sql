SELECT
    -- the call, in syscalls
    event_id,
    -- entry, wall clock (UTC)
    ts,
    -- entry, seconds on CLOCK_MONOTONIC, to the microsecond
    (ts_ns // 1000) / 1e6 AS time_s,
    -- process id
    pid,
    -- name of the thread
    comm,
    -- which of the calls that bring data to disks
    syscall,
    -- which file it was about; NULL: all of them, or not known
{% if every %}
    resolved_path AS file,
{% else %}
    NULL::VARCHAR AS file,
{% endif %}
    -- ns from entry to exit; NULL: never returned
    duration_ns,
    -- what it returned: 0, or -errno; NULL: never returned
    ret
FROM syscalls
WHERE syscall IN {{ kinds }} AND {{ where }}
ORDER BY ts_ns, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
