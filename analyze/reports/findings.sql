-- What looks wrong in a trace, worst first: a query that stands in another. Commands name numbers alone: a text of the
-- trace may be made to do harm where it is pasted. It reads called and wrong, see called.sql.
WITH named AS (
    SELECT pid, coalesce(first(comm ORDER BY start_ns DESC NULLS LAST, comm), 'process') || ' (' || pid || ')' AS process
    FROM processes
    GROUP BY pid
),
found AS (
    -- a signal ended it, other than those by which people end programs
    SELECT
        1 AS rank,
        1.0 AS weight,
        pid,
        'was ended by ' || CASE signal
{% for number, name in signals %}
            WHEN {{ number }} THEN {{ name }}
{% endfor %}
        END AS finding,
        printf('%.3f s', (end_ns - {{ start_ns }}) / 1e9) || ' after the start of the recording' AS evidence,
        'bpfrec report calls -p ' || pid || ' --around ' || last AS command
    FROM processes
    JOIN (SELECT pid, max(last) AS last FROM called GROUP BY pid) USING (pid)
    WHERE signal IN {{ signals | map('first') | list }} AND end_ns IS NOT NULL

    UNION ALL

    SELECT
        2,
        sum(calls),
        pid,
        CASE errno
            WHEN 'ENOSPC' THEN 'ran out of room on a disk'
            WHEN 'EDQUOT' THEN 'ran out of its quota of a disk'
            WHEN 'EMFILE' THEN 'ran out of descriptors: its limit is reached'
            WHEN 'ENFILE' THEN 'ran out of descriptors: the limit of the system is reached'
            WHEN 'ENOMEM' THEN 'ran out of memory'
            WHEN 'EIO' THEN 'met a device that does not work'
            WHEN 'ESTALE' THEN 'met a file that is gone from its server'
            ELSE 'may not write: the file system is read-only'
        END,
        {{ counted('sum(calls)', 'time') }} || ' ' || errno || ', most of ' || first(syscall ORDER BY calls DESC, syscall)
            || coalesce(': ' || first(path ORDER BY calls DESC, path) FILTER (path IS NOT NULL), ''),
        'bpfrec report failures -p ' || pid
    FROM wrong
    WHERE errno IN ('ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'ESTALE', 'EROFS')
    GROUP BY pid, errno

    UNION ALL

    SELECT
        3,
        sum(calls),
        pid,
        'cannot reach a peer',
        {{ counted('sum(calls)', 'time') }} || ' ' || errno || ' of ' || syscall,
        'bpfrec report network -p ' || pid
    FROM wrong
    WHERE errno IN ('ECONNREFUSED', 'ENETUNREACH', 'EHOSTUNREACH', 'ECONNRESET', 'EPIPE')
        OR (errno = 'ETIMEDOUT' AND syscall IN ('connect', 'recvfrom', 'recvmsg', 'read', 'sendto', 'sendmsg', 'write'))
    GROUP BY pid, errno, syscall

    UNION ALL

    SELECT
        4,
        sum(calls),
        pid,
        'is not permitted something',
        {{ counted('sum(calls)', 'time') }} || ' ' || errno || ', most of ' || first(syscall ORDER BY calls DESC, syscall)
            || coalesce(': ' || first(path ORDER BY calls DESC, path) FILTER (path IS NOT NULL), ''),
        'bpfrec report denied -p ' || pid
    FROM wrong
    WHERE errno IN ('EACCES', 'EPERM')
    GROUP BY pid, errno

    UNION ALL

    SELECT
        5,
        calls,
        pid,
        'asks again and again for a file that is not there',
        {{ counted('calls', 'time') }} || ' ' || errno || ' of ' || syscall || ': ' || path,
        'bpfrec report ' || CASE WHEN starts_with(syscall, 'open') THEN 'failed-opens' ELSE 'failures' END || ' -p ' || pid
    FROM wrong
    WHERE errno IN ('ENOENT', 'ENOTDIR', 'ENXIO', 'ELOOP') AND path IS NOT NULL
        AND calls >= CASE WHEN starts_with(syscall, 'open') OR starts_with(syscall, 'exec') THEN 20 ELSE 100 END

    UNION ALL

    -- where waiting is the work, or is for other threads, nothing is wrong
    SELECT
        6,
        max({{ stop_ns }} - ts_ns) / 1e9,
        pid,
        'was in ' || syscall || ' when the recording stopped',
        'since ' || printf('%.3f s', max({{ stop_ns }} - ts_ns) / 1e9) || coalesce(': ' || min(path), ''),
        'bpfrec report waiting -p ' || pid || ' --syscall ' || syscall
    FROM syscalls
    WHERE unfinished = 'recording-stopped' AND {{ stop_ns }} - ts_ns >= 1_000_000_000 AND {{ where }}
        AND (path IS NOT NULL OR syscall IN ('flock', 'fcntl', 'connect', 'fsync', 'fdatasync', 'sync', 'write', 'sendto', 'sendmsg', 'close'))
    GROUP BY pid, syscall

    UNION ALL

    SELECT
        7,
        max(duration_ns) / 1e9,
        pid,
        'waited long for a file',
        {{ counted('count(*)', 'call') }} || ' of ' || syscall || ', the longest ' || printf('%.3f s', max(duration_ns) / 1e9) || ': '
            || first(path ORDER BY duration_ns DESC, path) FILTER (path IS NOT NULL),
        'bpfrec report calls --around ' || first(event_id ORDER BY duration_ns DESC, event_id)
    FROM syscalls
    WHERE duration_ns >= 200_000_000 AND path IS NOT NULL AND NOT starts_with(syscall, 'exec') AND {{ where }}
    GROUP BY pid, syscall

    UNION ALL

    SELECT
        8,
        sum(total_ns) / 1e9,
        pid,
        'waits for disks',
        printf('%.0f %% of its time: ', 100.0 * sum(total_ns) / {{ length_ns }}) || {{ counted('sum(calls)', 'call') }}
            || ' of ' || string_agg(DISTINCT syscall, ', ' ORDER BY syscall),
        'bpfrec report syncsnoop -p ' || pid
    FROM called
    WHERE syscall IN {{ syncing }}
    GROUP BY pid
    HAVING sum(total_ns) >= 0.1 * {{ length_ns }}

    UNION ALL

    SELECT
        9,
        calls / (span_ns / 1e9),
        pid,
        'polls: it asks for what is not there yet',
        {{ counted('round(again / (span_ns / 1e9))', 'time') }} || ' a second EAGAIN of ' || syscall
            || ' in thread ' || tid,
        'bpfrec report calls -t ' || tid || ' --syscall ' || syscall || ' --limit 20'
    FROM called
    WHERE again >= 100 AND again >= 0.5 * calls AND again / (span_ns / 1e9) >= 100

    UNION ALL

    SELECT
        9,
        calls / (span_ns / 1e9),
        pid,
        'polls: it wakes up by the clock',
        {{ counted('round(calls / (span_ns / 1e9))', 'time') }} || ' a second ' || syscall || ' in thread ' || tid,
        'bpfrec report latency -p ' || pid || ' --syscall ' || syscall || ' -H'
    FROM called
    WHERE nothing >= 100 AND nothing >= 0.9 * calls AND nothing / (span_ns / 1e9) >= 100
        AND syscall IN ('nanosleep', 'clock_nanosleep', 'poll', 'ppoll', 'select', 'pselect6', 'epoll_wait', 'epoll_pwait')

    UNION ALL

    SELECT
        10,
        calls,
        pid,
        'moves few bytes at a time',
        {{ counted('calls', 'call') }} || ' of ' || syscall || ', ' || {{ counted('round(moved / worked)', 'byte') }} || ' each',
        'bpfrec report files -p ' || pid
    FROM called
    WHERE syscall IN ('read', 'write', 'pread64', 'pwrite64', 'recvfrom', 'sendto') AND worked >= 1_000
        AND coalesce(moved, 0) <= 64 * worked AND calls / (span_ns / 1e9) >= 500

    UNION ALL

    SELECT
        11,
        sum(refused),
        pid,
        'is refused calls by a seccomp filter',
        {{ counted('sum(refused)', 'call') }} || ', most of ' || first(syscall ORDER BY refused DESC, syscall),
        'bpfrec report failures -p ' || pid
    FROM called
    WHERE refused > 0
    GROUP BY pid

    UNION ALL

    SELECT
        12,
        sum(calls),
        pid,
        'hands work to io_uring, which this trace does not have',
        {{ counted('sum(calls)', 'call') }} || ' of io_uring_enter; a ring with a thread of the kernel needs none',
        'bpfrec report calls -p ' || pid || ' --syscall ''io_uring*'' --limit 20'
    FROM called
    WHERE syscall IN ('io_uring_enter', 'io_uring_setup') AND NOT {{ has_requests }}
    GROUP BY pid
)
SELECT
    row_number() OVER (ORDER BY rank, weight DESC, pid, finding) AS place,
    coalesce(process, 'process ' || pid) AS process,
    finding,
    evidence,
    command
FROM found
LEFT JOIN named USING (pid)
-- one process that does the same to many things is one finding, and its worst case stands for it
QUALIFY row_number() OVER (PARTITION BY pid, rank, finding ORDER BY weight DESC, evidence) = 1
