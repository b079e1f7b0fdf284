-- Which calls are shown is found without their names, which take longer to read than all else.
WITH picked AS MATERIALIZED (
{% if span_ns is not none %}
    SELECT event_id, ts_ns
    FROM syscalls
    WHERE tid = {{ tid }} AND {{ where }} AND ts_ns <= {{ around_ns }} + {{ span_ns }}
        AND coalesce(ts_ns + duration_ns, {{ stop_ns }}) >= {{ around_ns }} - {{ span_ns }}
{% else %}
    FROM (
        SELECT event_id, ts_ns
        FROM syscalls
        WHERE tid = {{ tid }} AND {{ where }} AND ts_ns <= {{ around_ns }}
        ORDER BY ts_ns DESC, event_id DESC LIMIT {{ context + 1 }}
    )
    UNION ALL
    FROM (
        SELECT event_id, ts_ns
        FROM syscalls
        WHERE tid = {{ tid }} AND {{ where }} AND ts_ns > {{ around_ns }}
        ORDER BY ts_ns, event_id LIMIT {{ context }}
    )
{% endif %}
),
-- The time since the call before, whatever that was: of the calls from the one before the first that is shown.
gaps AS (
    SELECT event_id, ts_ns - lag(ts_ns + duration_ns) OVER (ORDER BY ts_ns, event_id) AS gap_ns
    FROM syscalls
    WHERE tid = {{ tid }} AND ts_ns <= (SELECT max(ts_ns) FROM picked) AND ts_ns >= (
        SELECT coalesce(max(ts_ns) FILTER (ts_ns < (SELECT min(ts_ns) FROM picked)), min(ts_ns)) FROM syscalls WHERE tid = {{ tid }}
    )
),
mine AS MATERIALIZED (
    SELECT
        event_id, ts_ns, coalesce(ts_ns + duration_ns, {{ stop_ns }}) AS end_ns, pid, syscall, ret, arg0, resolved_path, gap_ns
    FROM syscalls
    JOIN gaps USING (event_id)
    WHERE event_id IN (SELECT event_id FROM picked)
),
limits AS MATERIALIZED (
    SELECT min(ts_ns) AS first_ns, max(end_ns) AS last_ns FROM mine
),
waits AS (
    SELECT
        event_id, ts_ns, end_ns, pid, ret,
        CASE WHEN starts_with(syscall, 'futex') THEN printf('futex %d %d', pid, arg0) ELSE resolved_path END AS waited
    FROM mine
    WHERE end_ns - ts_ns >= {{ least_ns }} AND ret >= 0
),
-- calls of other threads that can end a wait: they wake those who wait for a lock, or send what is waited for
others AS (
    SELECT
        event_id, ts_ns,
        CASE
            WHEN starts_with(syscall, 'futex') THEN printf('futex %d %d', pid, arg0)
            -- the two ends of a connection are called the other way round
            WHEN contains(resolved_path, '->') AND NOT starts_with(resolved_path, 'unix:') THEN
                split_part(resolved_path, ' ', 1) || ' ' || split_part(split_part(resolved_path, ' ', 2), '->', 2)
                || '->' || split_part(split_part(resolved_path, ' ', 2), '->', 1)
            WHEN starts_with(resolved_path, 'pipe:') THEN resolved_path
        END AS ended
    FROM syscalls, limits
    WHERE tid != {{ tid }} AND ts_ns BETWEEN first_ns AND last_ns AND ret > 0 AND (
        syscall IN {{ sending }}
        -- FUTEX_WAKE, _REQUEUE, _CMP_REQUEUE, _WAKE_OP, _WAKE_BITSET
        OR (syscall = 'futex' AND arg1 & 127 IN (1, 3, 4, 5, 10))
    )
),
wakes AS MATERIALIZED (
    SELECT
        waits.event_id AS wait_id,
        -- of those that took a lock's waiters, the last; of those that sent, the first
        CASE WHEN starts_with(any_value(waited), 'futex ') THEN max_by(others.event_id, others.ts_ns)
            ELSE min_by(others.event_id, others.ts_ns) END AS wake_id
    FROM waits
    JOIN others ON others.ended = waits.waited AND others.ts_ns BETWEEN waits.ts_ns AND waits.end_ns
    GROUP BY waits.event_id
),
chosen AS (
    SELECT event_id FROM mine
    UNION
    SELECT wake_id FROM wakes
)
