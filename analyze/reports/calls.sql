{% if around_ns is not none %}
WITH before AS (
    SELECT event_id, ts_ns FROM syscalls
    WHERE ts_ns <= {{ around_ns }} AND {{ where }}
    ORDER BY ts_ns DESC, event_id DESC LIMIT {{ context + 1 }}
),
after AS (
    SELECT event_id, ts_ns FROM syscalls
    WHERE ts_ns > {{ around_ns }} AND {{ where }}
    ORDER BY ts_ns, event_id LIMIT {{ context }}
),
chosen AS (
    FROM before UNION ALL FROM after
),
{% else %}
WITH chosen AS (
    SELECT event_id, ts_ns FROM syscalls
    WHERE {{ where }}{% if span %} AND {{ span }}{% endif +%}
{% if top %}
    ORDER BY ts_ns, event_id LIMIT {{ top }}
{% endif %}
),
{% endif %}
texts AS (
    {{ rows }}
){% if signals is not none %},
listed AS (
{% else %}

{% endif %}
SELECT
    -- the call, in syscalls{% if signals is not none %}; NULL: a signal{% endif +%}
    s.event_id,
    -- {% if signals is not none %}of a call the entry, {% else %}entry, {% endif %}wall clock (UTC)
    s.ts,
    -- process id
    s.pid,
    -- thread id
    s.tid,
    -- name of the thread
    s.comm,
    -- name of the system call{% if signals is not none %}; NULL: a signal{% endif +%}
    s.syscall,
    -- the whole call{% if signals is not none %} or signal{% endif %}, as strace -v writes it
    {{ words }} AS call,
    -- return value, -errno on failure; NULL: never returned
    s.ret,
    -- name of the error; NULL: it worked, or never returned
    s.errno,
    -- ns from entry to exit; NULL: never returned
    s.duration_ns
{% if stack %}
    -- the user stack, a line for each frame, innermost first; NULL: none was taken
    , stack_text(s.stack_id) AS stack
{% endif %}
{% if signals is not none %}
    , s.ts_ns
{% endif %}
FROM chosen
JOIN {% if span %}(FROM syscalls WHERE {{ span }}){% else %}syscalls{% endif %} AS s USING (event_id)
LEFT JOIN texts ON texts.event_id = chosen.event_id
{% if signals is not none %}
UNION ALL
SELECT NULL, ts, pid, tid, comm, NULL, text, NULL, NULL, NULL{% if stack %}, NULL{% endif %}, ts_ns
FROM signals
WHERE {{ signals }}{% if span %} AND {{ span }}{% endif +%}
{% if around_ns is not none or top %}
    AND ts_ns BETWEEN (SELECT min(ts_ns) FROM chosen) AND (SELECT max(ts_ns) FROM chosen)
{% endif %}
)
SELECT * EXCLUDE (ts_ns) FROM listed
ORDER BY ts_ns, event_id NULLS FIRST
{% else %}
ORDER BY s.ts_ns, s.event_id
{% endif %}
