WITH chosen AS MATERIALIZED (
    {{ chosen }}
),
texts AS (
    {{ texts }}
)
SELECT
    -- the call, in syscalls
    s.event_id,
    -- entry, wall clock (UTC)
    s.ts,
    -- return, wall clock (UTC)
    make_timestamp_ns(s.ts_ns + s.duration_ns + {{ wall_offset_ns }}) AS end_ts,
    -- process id
    s.pid,
    -- thread id
    s.tid,
    -- name of the thread
    s.comm,
    -- name of the system call
    s.syscall,
    -- ns from entry to return
    s.duration_ns,
{% if maxima %}
    -- the longest call of this name that returned before, ns; NULL: this was the first
    lag(s.duration_ns) OVER (PARTITION BY s.syscall ORDER BY s.ts_ns + s.duration_ns, s.event_id) AS before_ns,
{% endif %}
    -- name of the error; NULL: it worked
    s.errno,
    -- the whole call, as strace -v writes it
    texts.call,
    -- user stack in frames; NULL: none was taken
    s.stack_id,
    -- the user stack, a line for each frame, innermost first; NULL: none was taken
    stack_text(s.stack_id) AS stack
FROM chosen
JOIN syscalls AS s ON s.event_id = chosen.event_id
JOIN texts ON texts.event_id = chosen.event_id
{% if maxima %}
ORDER BY s.ts_ns + s.duration_ns, s.event_id
{% else %}
ORDER BY s.duration_ns DESC, s.ts_ns, s.event_id
{% endif %}
{% if top %}
LIMIT {{ top }}
{% endif %}
