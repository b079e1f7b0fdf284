WITH RECURSIVE lives AS (
    SELECT
        row_number() OVER (ORDER BY coalesce(start_ns, {{ start }}), pid) AS life,
        processes.*,
        -- a pid may be used again
        coalesce(start_ns, -1) AS from_ns,
        coalesce(end_ns, 9223372036854775807) AS to_ns
    FROM processes
),
edges AS (
    SELECT c.life, arg_max(p.life, p.from_ns) AS parent
    FROM lives AS c
    LEFT JOIN lives AS p ON p.pid = c.ppid AND p.life != c.life AND c.from_ns BETWEEN p.from_ns AND p.to_ns
    GROUP BY c.life
),
rooted AS (
    SELECT life, 0 AS depth, [life] AS place
    FROM edges
    WHERE parent IS NULL
    UNION ALL
    SELECT edges.life, depth + 1, list_append(place, edges.life)
    FROM edges
    JOIN rooted ON edges.parent = rooted.life
    WHERE depth < {{ most_depth }}
),
-- no process is left out, not even of a loop that somebody made up
tree AS (
    FROM rooted
    UNION ALL
    SELECT life, 0, [life]
    FROM edges
    ANTI JOIN rooted USING (life)
),
counted AS (
    SELECT
        life,
        count(*) AS calls,
        count(*) FILTER (failed(ret)) AS failed,
        count(DISTINCT tid) AS threads,
        arg_min(syscall, ts_ns) AS first_call,
        arg_max(syscall, ts_ns) AS last_call,
        -- the code that the last thread to leave gave
        arg_max(arg0 & 255, ts_ns) FILTER (syscall IN ('exit_group', 'exit')) AS exit_code
    FROM syscalls
    JOIN lives ON lives.pid = syscalls.pid AND ts_ns BETWEEN from_ns AND to_ns
    GROUP BY life
),
-- what their parents' wait4 was told: wait(2)
waited AS (
    SELECT life, any_value(word0 & 127) AS signal
    FROM syscalls
    JOIN structs ON structs.event_id = syscalls.event_id AND structs.kind = 'int' AND structs.word0 & 127 NOT IN (0, 127)
    -- it may have ended before its parent asked
    ASOF JOIN lives ON lives.pid = syscalls.ret AND ts_ns + duration_ns >= from_ns
    WHERE syscall = 'wait4' AND ret > 0
    GROUP BY life
),
ended AS (
    SELECT
        life,
        CASE
            WHEN lives.exit_code IS NOT NULL OR lives.signal IS NOT NULL THEN lives.exit_code
            WHEN waited.signal IS NULL AND end_ns IS NOT NULL THEN counted.exit_code
        END AS exit_code,
        coalesce(lives.signal, CASE WHEN lives.exit_code IS NULL THEN waited.signal END) AS signal
    FROM lives
    LEFT JOIN counted USING (life)
    LEFT JOIN waited USING (life)
),
executed AS (
    SELECT life, list({'start_s': (ts_ns - {{ start }}) / 1e9, 'path': path, 'argv': argv} ORDER BY ts_ns) AS execs
    FROM execs
    JOIN lives ON lives.pid = execs.pid AND ts_ns BETWEEN from_ns AND to_ns
    WHERE ret = 0
    GROUP BY life
)
SELECT
    -- process (thread group) id
    pid,
    -- parent when it was first seen
    ppid,
    -- how deep it stands in the tree, 0: its parent is not in the trace
    depth,
    -- start, wall clock (UTC); NULL: before the recording
    make_timestamp_ns(start_ns + {{ wall_offset }}) AS start_ts,
    -- the same, in seconds from the start of the recording
    (start_ns - {{ start }}) / 1e9 AS start_s,
    -- ns from its start, or that of the recording, to its end; NULL: it outlived the recording
    end_ns - greatest(coalesce(start_ns, {{ start }}), {{ start }}) AS duration_ns,
    -- last name of its main thread
    comm,
    -- executable, where it could be read
    exe,
    -- command line, where it is known
    cmdline,
    -- real user id when it was first seen
    uid & 4294967295 AS uid,
    -- how many of its threads have calls in the trace
    coalesce(threads, 0) AS threads,
    -- its calls in the trace
    coalesce(calls, 0) AS calls,
    -- how many of them failed
    coalesce(failed, 0) AS failed,
    -- the first of them
    first_call,
    -- the last of them
    last_call,
    -- the programs that it executed, in their order: seconds from the start of the recording, path and arguments
    execs,
    -- what it gave to exit; NULL: a signal ended it, it outlived the recording, or not known
    ended.exit_code,
    -- the signal that ended it; NULL: none, or not known
    ended.signal
FROM tree
JOIN lives USING (life)
LEFT JOIN counted USING (life)
LEFT JOIN ended USING (life)
LEFT JOIN executed USING (life)
WHERE {{ where }}
{% if made is not none %}
    AND life IN (
        SELECT life FROM syscalls
        JOIN lives ON lives.pid = syscalls.pid AND ts_ns BETWEEN from_ns AND to_ns
        WHERE {{ made }}
    )
{% endif %}
{% if failed %}
    AND (ended.exit_code != 0 OR ended.signal IS NOT NULL)
{% endif %}
ORDER BY place
{% if top %}
LIMIT {{ top }}
{% endif %}
