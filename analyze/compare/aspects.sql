-- What a trace has, counted: the query that both traces are asked.
WITH chosen AS NOT MATERIALIZED (
    SELECT event_id, pid, syscall, errno, ret, duration_ns, entry_status, path, coalesce(resolved_path, path) AS name
    FROM syscalls
    WHERE {{ where }}
),
-- names are folded once for each, not for each call
named AS MATERIALIZED (
    SELECT syscall, errno, failed(ret) AS failed, path, name, count(*) AS calls
    FROM chosen
    WHERE failed(ret) OR (syscall IN {{ executing }} AND ret = 0) OR (syscall IN {{ opening }} AND ret >= 0)
    GROUP BY ALL
),
counted AS (
    SELECT
        'failures' AS section,
        concat_ws(' ', syscall, errno, {{ folded('name') }}) AS what,
        sum(calls)::BIGINT AS calls,
        NULL::BIGINT AS time_ns
    FROM named
    WHERE failed
    GROUP BY what

    UNION ALL

    SELECT 'programs', {{ folded('path') }} AS what, sum(calls)::BIGINT, NULL
    FROM named
    WHERE NOT failed AND syscall IN {{ executing }} AND path IS NOT NULL
    GROUP BY what

    UNION ALL

    SELECT 'files', {{ folded('name') }} AS what, sum(calls)::BIGINT, NULL
    FROM named
    WHERE NOT failed AND syscall IN {{ opening }} AND name IS NOT NULL
    GROUP BY what

    UNION ALL

    -- an end of a connection that the kernel has chosen is another one each time
    SELECT
        'peers',
        syscall || ' ' || CASE family
            WHEN 1 THEN 'unix:' || {{ folded('address') }}
            WHEN 2 THEN address || ':' || port
            ELSE '[' || address || ']:' || port
        END AS what,
        count(*),
        NULL
    FROM sockaddrs
    JOIN chosen USING (event_id)
    WHERE syscall IN ('connect', 'bind', 'sendto', 'sendmsg', 'sendmmsg') AND family IN (1, 2, 10) AND address != ''
        AND NOT (syscall = 'bind' AND port IS NOT DISTINCT FROM 0)
    GROUP BY what

    UNION ALL

    SELECT
        'calls',
        syscall,
        count(*),
        quantile_disc(duration_ns, 0.5) FILTER (entry_status IS NULL)
    FROM chosen
    GROUP BY syscall

    UNION ALL

    SELECT
        'ends',
        coalesce(comm, '?') || CASE WHEN signal IS NOT NULL THEN ' was ended by signal ' || signal ELSE ' exited with ' || exit_code END AS what,
        count(*),
        NULL
    FROM processes
    WHERE (signal IS NOT NULL OR exit_code IS NOT NULL) AND {{ processes }}
    GROUP BY what

    UNION ALL

    SELECT 'startup', coalesce(comm, '?') || ': ' || kind, sum(calls)::BIGINT, sum(time_ns)::BIGINT
    FROM ({{ startup }})
    -- of a process that was there before, nobody saw the start
    WHERE part = 'kind' AND is_exec
    GROUP BY comm, kind
)
SELECT
    -- ends, failures, programs, files, peers, calls, startup
    section,
    -- what is counted: a call with its error and path, a file, an address ...
    what,
    -- how often
    calls,
    -- ns; of calls: half of them took no longer; of the startup: what it took of the time
    time_ns
FROM counted
WHERE what IS NOT NULL
