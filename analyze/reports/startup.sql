WITH executed AS (
    SELECT pid, min(ts_ns) AS begin_ns FROM syscalls WHERE syscall IN {{ executing }} AND ret = 0 AND pid IS NOT NULL GROUP BY pid
),
chosen AS (
    SELECT first.pid, coalesce(executed.begin_ns, first.begin_ns) AS begin_ns, executed.pid IS NOT NULL AS is_exec
    FROM (
        SELECT pid, min(ts_ns) AS begin_ns FROM syscalls WHERE tid = pid AND {{ within }}
{% if several %}
            AND pid IN (SELECT pid FROM syscalls WHERE {{ where }})
{% endif %}
        GROUP BY pid
    ) AS first
    LEFT JOIN executed USING (pid)
{% if not several %}
    -- Without a choice of processes the one that executed a program first.
    ORDER BY executed.pid IS NULL, begin_ns, pid
    LIMIT 1
{% endif %}
),
calls AS (
    SELECT
        c.event_id, s.pid, s.begin_ns, s.is_exec, c.ts_ns, c.comm, c.syscall, failed(c.ret) AS failed,
        c.ts_ns + CASE WHEN c.ret IS NOT NULL THEN coalesce(c.duration_ns, 0) ELSE greatest({{ stop_ns }} - c.ts_ns, 0) END AS end_ns,
        coalesce(c.resolved_path, c.path) AS object,
        CASE
            WHEN c.syscall IN {{ executing }} THEN 'programs'
            WHEN c.errno IN ('ENOENT', 'ENOTDIR') AND c.path IS NOT NULL THEN 'missing files'
            WHEN c.syscall IN ('nanosleep', 'clock_nanosleep') THEN 'sleeping'
            WHEN c.syscall IN {{ children }} THEN 'children'
            WHEN c.syscall IN {{ waiting }} OR starts_with(c.syscall, 'futex') THEN 'waiting'
            WHEN regexp_matches(object, '[.]so([.][0-9]+)*$|/ld[.]so[.](cache|preload)$') THEN 'libraries'
            WHEN regexp_matches(object, {{ internet }}) OR starts_with(object, 'unix:') OR c.syscall IN {{ networking }} THEN 'network'
            WHEN starts_with(object, '/') THEN 'files'
            WHEN starts_with(object, 'pipe:') THEN 'pipes'
            WHEN c.syscall IN {{ memory }} THEN 'memory'
            ELSE 'other calls'
        END AS kind,
        -- Where a process waits for work, if it does so for long.
        c.syscall IN {{ waiting }} OR starts_with(c.syscall, 'futex')
            OR (c.syscall IN {{ reading }} AND (kind IN ('network', 'pipes') OR regexp_matches(object, '^/dev/(pts/|tty|console)')))
            AS may_idle
    FROM chosen AS s
    JOIN syscalls AS c ON c.pid = s.pid AND c.tid = s.pid AND c.ts_ns >= s.begin_ns
),
windows AS (
    SELECT
        pid, any_value(begin_ns) AS begin_ns, any_value(is_exec) AS is_exec,
        min(ts_ns) FILTER (may_idle AND end_ns - ts_ns >= {{ idle_ns }}) AS idle_ns,
        arg_min(syscall, ts_ns) FILTER (may_idle AND end_ns - ts_ns >= {{ idle_ns }}) AS idle_call,
        (SELECT max(p.end_ns) FROM processes AS p WHERE p.pid = calls.pid AND p.end_ns >= any_value(calls.begin_ns)) AS ended_ns,
        arg_max(comm, ts_ns) FILTER (ts_ns = begin_ns) AS comm
    FROM calls
    GROUP BY pid
),
bounded AS (
    SELECT
        pid, begin_ns, is_exec,
        greatest(least(
            coalesce(idle_ns, {{ stop_ns }}), coalesce(ended_ns, {{ stop_ns }}), {{ stop_ns }}
{% if for_ns is not none %}
            , begin_ns + {{ for_ns }}
{% endif %}
        ), begin_ns) AS until_ns,
        CASE
            WHEN until_ns = idle_ns THEN 'it waited in ' || idle_call
            WHEN until_ns = ended_ns THEN 'it ended'
            WHEN until_ns = {{ stop_ns }} THEN 'the recording stopped'
            ELSE 'the time that was asked for was over'
        END AS until
    FROM windows
),
-- Calls in their order; where one lies in another, its time is counted once.
ordered AS (
    SELECT
        c.*, w.until_ns,
        greatest(coalesce(max(c.end_ns) OVER before, c.begin_ns), c.begin_ns) AS free_ns,
        lag(c.syscall) OVER (PARTITION BY c.pid ORDER BY c.ts_ns, c.event_id) AS previous
    FROM calls AS c
    JOIN bounded AS w USING (pid)
    WHERE c.ts_ns < w.until_ns OR c.ts_ns = c.begin_ns
    WINDOW before AS (PARTITION BY c.pid ORDER BY c.ts_ns, c.event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
pieces AS (
    SELECT pid, kind, coalesce(object, syscall) AS object, 1 AS calls, failed::INTEGER AS failed,
        least(greatest(ts_ns, free_ns), until_ns) AS from_ns, least(greatest(end_ns, free_ns), until_ns) AS to_ns
    FROM ordered
    UNION ALL
    SELECT pid, 'own code', 'after ' || previous, 0, 0, least(free_ns, until_ns), least(greatest(ts_ns, free_ns), until_ns)
    FROM ordered
    UNION ALL
    SELECT pid, 'own code', 'after ' || arg_max(syscall, (ts_ns, event_id)), 0, 0,
        least(max(end_ns), any_value(until_ns)), any_value(until_ns)
    FROM ordered
    GROUP BY pid
),
-- The whole in twenty steps, each of the kind that most of its time went to.
stepped AS (
    SELECT p.pid, p.kind, p.object, p.from_ns, n.step,
        (p.counted_ns >= w.begin_ns + n.step * (w.until_ns - w.begin_ns) // {{ steps }})::INTEGER * p.calls AS calls,
        (p.counted_ns >= w.begin_ns + n.step * (w.until_ns - w.begin_ns) // {{ steps }})::INTEGER * p.failed AS failed,
        least(p.to_ns, w.begin_ns + (n.step + 1) * (w.until_ns - w.begin_ns) // {{ steps }})
            - greatest(p.from_ns, w.begin_ns + n.step * (w.until_ns - w.begin_ns) // {{ steps }}) AS time_ns
    -- A call without any time of its own at the very end belongs to the last step.
    FROM (SELECT *, least(from_ns, until_ns - 1) AS counted_ns FROM pieces JOIN bounded USING (pid)) AS p
    JOIN bounded AS w USING (pid)
    JOIN range({{ steps }}) AS n(step) ON
        p.counted_ns < w.begin_ns + (n.step + 1) * (w.until_ns - w.begin_ns) // {{ steps }}
        AND (p.to_ns > w.begin_ns + n.step * (w.until_ns - w.begin_ns) // {{ steps }}
            OR p.counted_ns >= w.begin_ns + n.step * (w.until_ns - w.begin_ns) // {{ steps }})
),
by_step AS (
    SELECT pid, step, arg_max(kind, (time_ns, kind)) AS most
    FROM (SELECT pid, step, kind, sum(time_ns) AS time_ns FROM stepped GROUP BY ALL)
    GROUP BY pid, step
),
phases AS (
    SELECT pid, step, most,
        row_number() OVER (PARTITION BY pid ORDER BY step) - row_number() OVER (PARTITION BY pid, most ORDER BY step) AS island
    FROM by_step
),
found AS (
    SELECT 'kind' AS part, pid, kind AS most, 0 AS island, NULL AS step, kind, object, from_ns, calls, failed, to_ns - from_ns AS time_ns
    FROM pieces
    UNION ALL
    SELECT 'phase', s.pid, p.most, p.island, s.step, s.kind, s.object, s.from_ns, s.calls, s.failed, s.time_ns
    FROM stepped AS s JOIN phases AS p USING (pid, step)
),
objects AS (
    SELECT part, pid, most, island, object,
        -- Of own code the longest stretch, of all else the object's whole time.
        CASE WHEN most = 'own code' THEN max(time_ns) ELSE sum(time_ns) END AS object_ns
    FROM (
        SELECT part, pid, most, island, object, sum(time_ns) AS time_ns
        FROM found WHERE kind = most GROUP BY part, pid, most, island, object, from_ns
    )
    GROUP BY part, pid, most, island, object
),
most_of AS (
    SELECT part, pid, most, island, arg_max(object, (object_ns, object)) AS object,
        arg_max(object_ns, (object_ns, object)) AS object_ns
    FROM objects WHERE object IS NOT NULL GROUP BY part, pid, most, island
),
summed AS (
    SELECT part, pid, most, island, min(step) AS step, sum(time_ns) AS time_ns,
        sum(time_ns) FILTER (kind = most) AS kind_ns, sum(calls) AS calls, sum(failed) AS failed
    FROM found GROUP BY part, pid, most, island
)
SELECT
    -- kind: all that a kind of calls took; phase: a stretch of time. The rows of each are together the whole time
    s.part,
    -- process id
    s.pid,
    -- name of its main thread
    (SELECT max_by(p.comm, coalesce(p.start_ns, 0)) FROM processes AS p WHERE p.pid = s.pid) AS comm,
    -- entry of its first exec, or of its first call, wall clock (UTC)
    make_timestamp_ns(w.begin_ns + {{ wall_offset_ns }}) AS begin_ts,
    -- whether that is an exec
    w.is_exec,
    -- what ended the time that is looked at
    w.until,
    -- ns from the beginning until then
    w.until_ns - w.begin_ns AS whole_ns,
    -- phase: ns from the beginning until it began
    CASE WHEN s.part = 'phase' THEN s.step * (w.until_ns - w.begin_ns) // {{ steps }} END AS offset_ns,
    -- ns that it took
    s.time_ns::BIGINT AS time_ns,
    -- percent of the whole
    100.0 * s.time_ns / nullif(w.until_ns - w.begin_ns, 0) AS share,
    -- the kind; of a phase the one that most of its time went to
    s.most AS kind,
    -- ns of that kind
    s.kind_ns::BIGINT AS kind_ns,
    -- number of calls
    s.calls::BIGINT AS calls,
    -- how many of them failed
    s.failed::BIGINT AS failed,
    -- what of that kind took the most time: a file, a peer ...; of own code the call before the longest stretch of it
    m.object,
    -- ns that this took
    m.object_ns::BIGINT AS object_ns
FROM summed AS s
JOIN bounded AS w USING (pid)
LEFT JOIN most_of AS m ON m.part = s.part AND m.pid = s.pid AND m.most = s.most AND m.island = s.island
WHERE s.time_ns > 0 OR s.calls > 0
{% if top %}
QUALIFY row_number() OVER (PARTITION BY s.pid, s.part ORDER BY offset_ns, time_ns DESC, kind) <= {{ top }}
{% endif %}
ORDER BY w.begin_ns, s.pid, s.part, offset_ns, time_ns DESC, kind
