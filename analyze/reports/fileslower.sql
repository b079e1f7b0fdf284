SELECT
    -- the call, in syscalls
    event_id,
    -- when it returned, wall clock (UTC)
    make_timestamp_ns(ts_ns + duration_ns + {{ wall_offset_ns }}) AS ts,
    -- the same, in seconds from the start of the recording
    (ts_ns + duration_ns - {{ start_ns }}) / 1e9 AS time_s,
    -- name of the thread
    comm,
    -- process id
    pid,
    -- thread id
    tid,
    -- R: read, W: written
    if(syscall IN {{ reading }}, 'R', 'W') AS direction,
    -- name of the system call
    syscall,
    -- bytes that were asked for; NULL: the call gives them in another way
    CASE WHEN syscall IN ('read', 'write', 'pread64', 'pwrite64', 'sendfile') THEN if(syscall = 'sendfile', arg3, arg2)::UBIGINT END AS bytes_asked,
    -- bytes that were read or written, or -errno
    ret AS bytes,
    -- ns that it took
    duration_ns,
    -- the file; a socket or pipe by its name
    resolved_path AS file
FROM syscalls
WHERE syscall IN {{ moving }} AND duration_ns >= {{ least_ns }} AND {{ where }}
{% if not all_files %}
    AND starts_with(resolved_path, '/')
{% endif %}
ORDER BY ts_ns + duration_ns, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
