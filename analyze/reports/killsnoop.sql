WITH sent AS (
    SELECT
        event_id, ts_ns, duration_ns, pid, comm, syscall, ret,
        (CASE WHEN syscall = 'tgkill' THEN arg2 ELSE arg1 END & 4294967295)::BIGINT AS signal,
        (CASE WHEN syscall = 'tgkill' THEN arg1 ELSE arg0 END & 4294967295)::BIGINT AS unsigned_target,
        CASE WHEN unsigned_target > 2147483647 THEN unsigned_target - 4294967296 ELSE unsigned_target END AS target
    FROM syscalls
    WHERE syscall IN {{ kinds }} AND {{ where }}
)
SELECT
    -- the call, in syscalls
    event_id,
    -- when it returned, wall clock (UTC)
    make_timestamp_ns(ts_ns + coalesce(duration_ns, 0) + {{ wall_offset_ns }}) AS ts,
    -- process id of the sender
    pid,
    -- name of the thread
    comm,
    -- which of the calls that send signals
    syscall,
    -- number of the signal
    signal,
    -- name of the signal
    signal_name(signal) AS signal_name,
    -- process (kill), thread (tkill, tgkill) that is to get it; kill: 0 and less are groups of processes
    target,
    -- what it returned: 0, or -errno; NULL: never returned
    ret
FROM sent
WHERE TRUE
{% if signal is not none %}
    AND signal = {{ signal }}
{% endif %}
{% if target is not none %}
    AND target = {{ target }}
{% endif %}
ORDER BY ts_ns + coalesce(duration_ns, 0), event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
