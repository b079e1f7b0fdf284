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
-- What is asked of each call, as numbers: sorting and comparing texts of all calls would take longer than all else.
read AS MATERIALIZED (
    SELECT
        c.event_id, c.pid, c.ts_ns, failed(c.ret) AS failed,
        c.ts_ns + CASE WHEN c.ret IS NOT NULL THEN coalesce(c.duration_ns, 0) ELSE greatest({{ stop_ns }} - c.ts_ns, 0) END AS end_ns,
        hash(c.syscall, coalesce(c.errno, ''), c.path IS NULL, coalesce(c.resolved_path, c.path)) AS sort
    FROM chosen AS s
    JOIN syscalls AS c ON c.pid = s.pid AND c.tid = s.pid AND c.ts_ns >= s.begin_ns
),
sorts AS MATERIALIZED (
    SELECT
        hash(syscall, coalesce(errno, ''), is_pathless, object) AS sort, syscall, object,
        CASE
            WHEN syscall IN {{ executing }} THEN 'programs'
            WHEN errno IN ('ENOENT', 'ENOTDIR') AND NOT is_pathless THEN 'missing files'
            WHEN syscall IN ('nanosleep', 'clock_nanosleep') THEN 'sleeping'
            WHEN syscall IN {{ children }} THEN 'children'
            WHEN syscall IN {{ waiting }} OR starts_with(syscall, 'futex') THEN 'waiting'
            WHEN regexp_matches(object, '[.]so([.][0-9]+)*$|/ld[.]so[.](cache|preload)$') THEN 'libraries'
            WHEN regexp_matches(object, {{ internet }}) OR starts_with(object, 'unix:') OR syscall IN {{ networking }} THEN 'network'
            WHEN starts_with(object, '/') THEN 'files'
            WHEN starts_with(object, 'pipe:') THEN 'pipes'
            WHEN syscall IN {{ memory }} THEN 'memory'
            ELSE 'other calls'
        END AS kind,
        -- Where a process waits for work, if it does so for long.
        syscall IN {{ waiting }} OR starts_with(syscall, 'futex')
            OR (syscall IN {{ reading }} AND (kind IN ('network', 'pipes') OR regexp_matches(object, '^/dev/(pts/|tty|console)')))
            AS may_idle
    FROM (
        SELECT DISTINCT c.syscall, c.errno, c.path IS NULL AS is_pathless, coalesce(c.resolved_path, c.path) AS object
        FROM syscalls AS c
        WHERE c.tid = c.pid AND c.pid IN (SELECT pid FROM chosen)
    )
),
idling AS (
    SELECT r.pid, min(r.ts_ns) AS idle_ns, arg_min(s.syscall, r.ts_ns) AS idle_call
    FROM read AS r
    JOIN sorts AS s USING (sort)
    WHERE s.may_idle AND r.end_ns - r.ts_ns >= {{ idle_ns }}
    GROUP BY r.pid
),
windows AS (
    SELECT
        pid, begin_ns, is_exec, idle_ns, idle_call,
        (SELECT max(p.end_ns) FROM processes AS p WHERE p.pid = r.pid AND p.end_ns >= r.begin_ns) AS ended_ns
    FROM chosen AS r
    LEFT JOIN idling USING (pid)
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
within AS (
    SELECT c.* FROM read AS c JOIN bounded AS w USING (pid) WHERE c.ts_ns < w.until_ns OR c.ts_ns = w.begin_ns
),
turns AS (
    SELECT pid, sort, failed, ts_ns, end_ns, max(end_ns) OVER before AS free_ns, lag(sort) OVER turn AS previous
    FROM within
    WINDOW turn AS (PARTITION BY pid ORDER BY ts_ns, event_id),
        before AS (PARTITION BY pid ORDER BY ts_ns, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),
ordered AS (
    SELECT t.* EXCLUDE (free_ns), w.begin_ns, w.until_ns, greatest(t.free_ns, w.begin_ns) AS free_ns
    FROM turns AS t
    JOIN bounded AS w USING (pid)
),
-- The time of calls, and the code between: sort is of the call, or of that before the code; NULL: there is none.
pieces AS (
    SELECT
        pid, is_code, begin_ns, until_ns, if(is_code, previous, sort) AS sort,
        (NOT is_code)::INTEGER AS calls, (failed AND NOT is_code)::INTEGER AS failed,
        least(if(is_code, free_ns, greatest(ts_ns, free_ns)), until_ns) AS from_ns,
        least(greatest(if(is_code, ts_ns, end_ns), free_ns), until_ns) AS to_ns
    FROM ordered
    CROSS JOIN (VALUES (FALSE), (TRUE)) AS of(is_code)
    UNION ALL
    SELECT c.pid, TRUE, w.begin_ns, w.until_ns, arg_max(c.sort, (c.ts_ns, c.event_id)), 0, 0,
        least(max(c.end_ns), w.until_ns), w.until_ns
    FROM within AS c
    JOIN bounded AS w USING (pid)
    GROUP BY c.pid, w.begin_ns, w.until_ns
),
-- The whole in twenty steps: the first and the last that a piece has a part in.
placed AS (
    SELECT *, until_ns - begin_ns AS whole_ns,
        -- A call without any time of its own at the very end belongs to the last step.
        (({{ steps }} * (least(from_ns, until_ns - 1) - begin_ns + 1) + whole_ns - 1) // nullif(whole_ns, 0) - 1)::TINYINT AS first_step,
        greatest(first_step, ({{ steps }} * (to_ns - begin_ns) + whole_ns - 1) // nullif(whole_ns, 0) - 1)::TINYINT AS last_step
    FROM pieces
),
-- What lies in one step is summed up; what does not has a row of its own, and from_ns.
summed_up AS (
    SELECT pid, sort, is_code, first_step, last_step, if(last_step > first_step, from_ns, NULL) AS from_ns,
        max(to_ns) AS to_ns, sum(calls) AS calls, sum(failed) AS failed, sum(to_ns - from_ns) AS time_ns, max(to_ns - from_ns) AS longest_ns
    FROM placed
    GROUP BY pid, sort, is_code, first_step, last_step, if(last_step > first_step, from_ns, NULL)
),
stepped AS (
    SELECT pid, sort, is_code, step, from_ns, calls * (step IS NOT DISTINCT FROM first_step)::INTEGER AS calls,
        failed * (step IS NOT DISTINCT FROM first_step)::INTEGER AS failed,
        CASE WHEN from_ns IS NULL THEN time_ns
            ELSE least(to_ns, w.begin_ns + (step + 1) * (w.until_ns - w.begin_ns) // {{ steps }})
                - greatest(from_ns, w.begin_ns + step * (w.until_ns - w.begin_ns) // {{ steps }})
        END AS time_ns,
        CASE WHEN from_ns IS NULL THEN longest_ns END AS longest_ns
    FROM (SELECT *, unnest(coalesce(range(first_step, last_step + 1), [NULL])) AS step FROM summed_up)
    JOIN bounded AS w USING (pid)
),
named AS MATERIALIZED (
    SELECT t.pid, t.step, t.from_ns, t.calls, t.failed, t.time_ns, t.longest_ns,
        CASE WHEN t.is_code THEN 'own code' ELSE s.kind END AS kind,
        CASE WHEN t.is_code THEN 'after ' || s.syscall ELSE coalesce(s.object, s.syscall) END AS object
    FROM stepped AS t
    LEFT JOIN sorts AS s USING (sort)
),
by_step AS (
    SELECT pid, step, arg_max(kind, (time_ns, kind)) AS most
    FROM (SELECT pid, step, kind, sum(time_ns) AS time_ns FROM named WHERE step IS NOT NULL GROUP BY ALL)
    GROUP BY pid, step
),
phases AS (
    SELECT pid, step, most,
        row_number() OVER (PARTITION BY pid ORDER BY step) - row_number() OVER (PARTITION BY pid, most ORDER BY step) AS island
    FROM by_step
),
found AS (
    SELECT 'kind' AS part, n.pid, n.kind AS most, 0 AS island, NULL AS step, n.* EXCLUDE (pid, step)
    FROM named AS n
    UNION ALL
    SELECT 'phase', n.pid, p.most, p.island, n.step, n.* EXCLUDE (pid, step)
    FROM named AS n JOIN phases AS p USING (pid, step)
),
objects AS (
    SELECT part, pid, most, island, object,
        -- Of own code the longest stretch, of all else the object's whole time.
        CASE WHEN most = 'own code' THEN max(longest_ns) ELSE sum(time_ns) END AS object_ns
    FROM (
        SELECT part, pid, most, island, object, sum(time_ns) AS time_ns, coalesce(max(longest_ns), sum(time_ns)) AS longest_ns
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
