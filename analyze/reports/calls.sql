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
    WHERE {{ where }}
{% if top %}
    ORDER BY ts_ns, event_id LIMIT {{ top }}
{% endif %}
),
{% endif %}
texts AS (
    {{ rows }}
)
SELECT
    -- the call, in syscalls
    s.event_id,
    -- entry, wall clock (UTC)
    s.ts,
    -- process id
    s.pid,
    -- thread id
    s.tid,
    -- name of the thread
    s.comm,
    -- name of the system call
    s.syscall,
    -- the whole call, as strace -v writes it
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
FROM chosen
JOIN syscalls AS s USING (event_id)
LEFT JOIN texts ON texts.event_id = chosen.event_id
ORDER BY s.ts_ns, s.event_id
