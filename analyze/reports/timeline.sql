{{ chosen }},
texts AS (
    {{ texts }}
),
{{ given }},
children AS (
    SELECT pid, ppid, comm, start_ns, end_ns, exit_code, signal
    FROM processes
    WHERE ppid = {{ pid }} OR pid = {{ pid }}
),
happened AS (
    SELECT
        CASE WHEN mine.event_id IS NULL THEN 'wake' ELSE 'call' END AS kind,
        s.ts_ns, mine.gap_ns, s.event_id, s.pid, s.tid, s.comm, s.syscall, texts.call AS what, s.ret, s.errno, s.duration_ns,
        CASE
            WHEN mine.end_ns - mine.ts_ns < {{ least_ns }} OR mine.event_id IS NULL THEN NULL
            WHEN s.path IS NOT NULL THEN coalesce(s.resolved_path, s.path)
            WHEN starts_with(s.syscall, 'futex') THEN printf('lock 0x%x', s.arg0)
            WHEN s.syscall IN ('wait4', 'waitid') THEN CASE WHEN s.syscall = 'wait4' AND s.ret > 0 THEN 'process ' || s.ret ELSE 'a child' END
            ELSE coalesce(given.address, s.resolved_path)
        END AS waited_for,
        wakes.wake_id AS woken_by
    FROM chosen
    JOIN syscalls AS s ON s.event_id = chosen.event_id
    JOIN texts ON texts.event_id = chosen.event_id
    LEFT JOIN mine ON mine.event_id = chosen.event_id
    LEFT JOIN wakes ON wakes.wait_id = chosen.event_id
    LEFT JOIN given ON given.event_id = chosen.event_id
    UNION ALL
    SELECT
        'birth', start_ns, NULL, NULL, pid, pid, comm, NULL, 'process ' || pid || ' begins', NULL, NULL, NULL, NULL, NULL
    FROM children, limits
    WHERE start_ns BETWEEN first_ns AND last_ns
    UNION ALL
    SELECT
        'signal', ts_ns, NULL, NULL, pid, tid, comm, NULL, text, NULL, NULL, NULL, NULL, NULL
    FROM signals, limits
    WHERE tid = {{ tid }} AND ts_ns BETWEEN first_ns AND last_ns
    UNION ALL
    SELECT
        'exec', s.ts_ns + s.duration_ns, NULL, s.event_id, s.pid, s.tid, s.comm, s.syscall,
        'process ' || s.pid || ' executes ' || coalesce(s.resolved_path, s.path, '?'), s.ret, NULL, NULL, NULL, NULL
    FROM syscalls AS s, limits
    WHERE s.syscall IN {{ executing }} AND s.ret = 0 AND s.ts_ns + s.duration_ns BETWEEN first_ns AND last_ns
        AND s.pid IN (SELECT pid FROM children WHERE pid != {{ pid }})
    UNION ALL
    SELECT
        'end', end_ns, NULL, NULL, pid, pid, comm, NULL,
        'process ' || pid || ' ends' || CASE
            WHEN signal IS NOT NULL THEN ' by signal ' || signal
            WHEN exit_code IS NOT NULL THEN ' with ' || exit_code
            ELSE ''
        END,
        NULL, NULL, NULL, NULL, NULL
    FROM children, limits
    WHERE end_ns BETWEEN first_ns AND last_ns
)
SELECT
    -- call (of the thread), signal (that it was given), wake (a call of another thread that ended a wait), birth, exec or end (of a child, or of the process)
    kind,
    -- ns from the moment; negative: before it
    ts_ns - {{ around_ns }} AS offset_ns,
    -- ns since the thread's call before returned: its own code ran, or it did not run; NULL: no call of the thread, or not known
    gap_ns,
    -- the call, in syscalls; NULL: no call
    event_id,
    -- when it was, of calls the entry, wall clock (UTC)
    make_timestamp_ns(ts_ns + {{ wall_offset_ns }}) AS ts,
    -- process id
    pid,
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- name of the system call; NULL: no call
    syscall,
    -- the whole call, as strace -v writes it, or what happened
    what,
    -- return value, -errno on failure; NULL: never returned, or no call
    ret,
    -- name of the error; NULL: it worked, or never returned
    errno,
    -- ns from entry to exit; NULL: never returned, or no call
    duration_ns,
    -- what a call was about that took {{ least_us }} us or more: file, peer, pipe, lock, process; NULL: not known
    waited_for,
    -- the call of another thread that ended the wait, in syscalls; NULL: not known
    woken_by
FROM happened
ORDER BY ts_ns, kind = 'call', event_id, pid
{% if top %}
LIMIT {{ top }}
{% endif %}
