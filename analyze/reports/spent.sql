-- What the threads of a trace spent their time in: a query that stands in another. It reads timed, see called.sql.
WITH lived AS (
    SELECT
        tid,
        sum(least(coalesce(end_ns, {{ stop_ns }}), {{ stop_ns }}) - greatest(coalesce(start_ns, {{ start_ns }}), {{ start_ns }})) AS ns
    FROM threads
    WHERE tid IN (SELECT tid FROM timed)
    GROUP BY tid
),
spent AS (
    SELECT
        CASE
            WHEN syscall IN ('nanosleep', 'clock_nanosleep', 'pause', 'rt_sigsuspend', 'rt_sigtimedwait') THEN 'sleeping'
            WHEN syscall IN (
                'poll', 'ppoll', 'select', 'pselect6', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'io_getevents', 'io_pgetevents', 'io_uring_enter'
            ) THEN 'waiting for events'
            WHEN starts_with(syscall, 'futex') OR syscall IN ('flock', 'semop', 'semtimedop') THEN 'waiting for locks'
            WHEN syscall IN ('wait4', 'waitid', 'vfork') THEN 'waiting for children'
            WHEN syscall IN {{ network }} THEN 'in calls of sockets'
            WHEN syscall IN {{ syncing }} THEN 'waiting for disks'
            WHEN has_path OR syscall IN {{ descriptors }} THEN 'in calls of files and pipes'
            WHEN syscall IN {{ memory }} THEN 'in calls of memory'
            ELSE 'in other calls'
        END AS doing,
        syscall,
        sum(ns) AS ns,
        sum(calls) AS calls
    FROM (
        SELECT syscall, TRUE AS has_path, path_calls AS calls, path_ns AS ns FROM timed WHERE path_calls > 0
        UNION ALL
        SELECT syscall, FALSE, calls - path_calls, other_ns FROM timed WHERE calls > path_calls
    )
    GROUP BY ALL
),
parts AS (
    SELECT doing, sum(ns) AS ns, sum(calls) AS calls, first(syscall ORDER BY ns DESC, syscall) AS most FROM spent GROUP BY doing
    UNION ALL
    SELECT 'in own code, or not running', greatest((SELECT sum(ns) FROM lived) - (SELECT sum(ns) FROM spent), 0), NULL, NULL
)
SELECT
    row_number() OVER (ORDER BY ns DESC, doing) AS place,
    doing,
    printf('%.1f %%', 100.0 * ns / sum(ns) OVER ()) AS share,
    printf('%.3f s', ns / 1e9) || coalesce(' in ' || {{ counted('calls', 'call') }} || ', most of ' || most, '') AS detail
FROM parts
WHERE ns > 0
