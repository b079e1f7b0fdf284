SELECT
    -- the call, in syscalls
    event_id,
    -- when it returned, wall clock (UTC)
    make_timestamp_ns(end_us * 1000 + {{ wall_offset_ns }}) AS ts,
    -- seconds since the first of them
    (end_us - min(end_us) OVER ()) / 1e6 AS time_s,
    -- process id
    pid,
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- which of the calls of System V shared memory
    syscall,
    -- what it returned: an id, an address, 0, or -errno
    ret,
    -- first argument: key (shmget), id (shmat, shmctl), address (shmdt)
    arg0 AS first,
    -- second argument: size (shmget), address (shmat), command (shmctl)
    arg1 AS second,
    -- third argument: flags (shmget, shmat), buffer (shmctl)
    arg2 AS third
FROM (
    SELECT event_id, (ts_ns + duration_ns) // 1000 AS end_us, pid, tid, comm, syscall, ret, arg0, arg1, arg2
    FROM syscalls
    WHERE syscall IN ('shmget', 'shmat', 'shmdt', 'shmctl') AND ret IS NOT NULL AND {{ where }}
)
ORDER BY end_us, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
