WITH told AS (
    SELECT
        pid, tid, comm, uid, cpu,
        (ts_ns - {{ start_ns }}) / 1e9 AS left_s,
        (ts_ns - {{ start_ns }} + duration_ns) / 1e9 AS back,
        wait_ns / 1e9 AS wait,
        run_ns / 1e9 AS run,
        -- as the kernel makes what /proc/PID/stat says: the exact time, in shares as its ticks have them
        run_ns / 1e9 * CASE
            WHEN coalesce(system_ns, 0) = 0 THEN 0 ELSE system_ns::DOUBLE / (user_ns::DOUBLE + system_ns::DOUBLE)
        END AS system
    FROM sched
    WHERE run_ns IS NOT NULL AND {{ where }}
),
-- neither of both ever falls
rising AS (
    SELECT *, max(run - greatest_system) OVER so_far AS "user"
    FROM (SELECT *, max(system) OVER so_far AS greatest_system FROM told WINDOW so_far AS (PARTITION BY pid, tid ORDER BY left_s))
    WINDOW so_far AS (PARTITION BY pid, tid ORDER BY left_s)
),
born AS (SELECT pid, tid, min((start_ns - {{ start_ns }}) / 1e9) AS born FROM threads WHERE start_ns IS NOT NULL GROUP BY ALL),
-- times on a CPU: each ends where the thread left it
ran AS (
    SELECT
        pid, tid, comm, uid, cpu,
        coalesce(lag(back) OVER thread, if(row_number() OVER thread = 1, born, NULL)) AS since,
        left_s AS until,
        "user" - lag("user", 1, 0) OVER thread AS "user",
        (run - "user") - lag(run - "user", 1, 0) OVER thread AS system
    FROM rising
    LEFT JOIN born USING (pid, tid)
    WINDOW thread AS (PARTITION BY pid, tid ORDER BY left_s)
    UNION ALL
    -- one that had not ended when the recording stopped
    SELECT
        pid, tid, comm, uid, cpu, back, {{ length }},
        ({{ length }} - back) * coalesce("user" / nullif(run, 0), 1),
        ({{ length }} - back) * (1 - coalesce("user" / nullif(run, 0), 1))
    FROM rising
    QUALIFY row_number() OVER (PARTITION BY pid, tid ORDER BY left_s DESC) = 1 AND back IS NOT NULL
),
spans AS (
    SELECT pid, tid, comm, uid, cpu, since, until, "user", system, 0 AS wait FROM ran
    UNION ALL
    SELECT pid, tid, comm, uid, cpu, back - wait, back, 0, 0, wait FROM told WHERE wait > 0
),
pieces AS (
    SELECT
        *,
        unnest(range(first, greatest(first + 1, ceil(least(until, {{ length }}) / {{ interval }})::BIGINT))) AS number
    FROM (SELECT *, floor(greatest(since, 0) / {{ interval }})::BIGINT AS first FROM spans WHERE since < {{ length }})
    WHERE until >= 0 AND since <= until
),
shared AS (
    SELECT
        *,
        CASE WHEN until > since
            THEN (least(until, (number + 1) * {{ interval }}) - greatest(since, number * {{ interval }})) / (until - since)
            ELSE 1 END AS share
    FROM pieces
),
counted AS (
    SELECT
        number,
        pid,
        {% if threads %}tid{% else %}NULL::INTEGER AS tid{% endif %},
        coalesce(mode(comm) FILTER (tid = pid), mode(comm)) AS comm,
        mode(uid) AS uid,
        arg_max(cpu, until) AS cpu,
        100 * sum("user" * share) / any_value({{ lasted }}) AS user_percent,
        100 * sum(system * share) / any_value({{ lasted }}) AS system_percent,
        100 * sum(wait * share) / any_value({{ lasted }}) AS wait_percent
    FROM shared
    GROUP BY number, pid{% if threads %}, tid{% endif +%}
)
SELECT
    -- number of the interval, from 1
    number + 1 AS "interval",
    -- its end, seconds from the start of the recording
    least((number + 1) * {{ interval }}, {{ length }}) AS end_s,
    -- real user id
    (uid & 4294967295::BIGINT) AS uid,
    -- process id
    pid,
    -- thread id; NULL: threads are not told apart
    tid,
    -- time in user code, per cent of one CPU
    user_percent,
    -- time in the kernel, per cent
    system_percent,
    -- time in which it could have run and waited for a CPU, per cent
    wait_percent,
    -- time on a CPU, per cent
    user_percent + system_percent AS cpu_percent,
    -- CPU on which it was last
    cpu,
    -- name of the thread, of a process that of its main thread
    comm
FROM counted
WHERE user_percent + system_percent + wait_percent > 0 AND {{ shown }}
ORDER BY number, uid, pid, tid
{% if top %}
LIMIT {{ top }}
{% endif %}
