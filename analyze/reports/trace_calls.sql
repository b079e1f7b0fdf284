WITH hits AS (
{% for p in probes %}
{% if not loop.first %}
    UNION ALL
{% endif %}
    SELECT
        {{ p.n }} AS probe,
        syscalls.event_id,
        {{ p.at_ns }} AS at_ns,
        cpu,
        pid,
        tid,
        comm,
        stack_id,
        {{ p.func }} AS func,
        {{ p.message }} AS message
    FROM {{ p.source }}
{% for join in p.joins %}
    {{ join }}
{% endfor %}
    WHERE {{ p.where }}
{% endfor %}
),
shown AS (
    -- a star would have the names of all files computed
    SELECT probe, event_id, at_ns, cpu, pid, tid, comm, stack_id, func, message
    FROM hits
{% if msg_filter is not none %}
    WHERE contains(message, {{ msg_filter }})
{% endif %}
    ORDER BY at_ns, event_id, probe
{% if max_events is not none %}
    LIMIT {{ max_events }}
{% endif %}
)
{% if kernel_stack %}
, waits AS (
    -- where a call waited longest
    SELECT shown.event_id, arg_max(sched.kernel_stack_id, sched.duration_ns) AS kernel_stack_id
    FROM shown
    JOIN syscalls AS made ON made.event_id = shown.event_id
    JOIN sched ON sched.tid = made.tid AND sched.call_ns = made.ts_ns
    WHERE sched.kernel_stack_id IS NOT NULL
    GROUP BY shown.event_id
)
{% endif %}
{% if user_stack or kernel_stack %}
, frame_lists AS (
    SELECT
        stack_id,
        list(
            concat(
{% if address %}
                printf('%16x ', ip),
{% endif %}
                coalesce(demangled(symbol) || printf('+0x%x', coalesce(symbol_offset, 0)), '[unknown]'),
                -- bcc calls no memory a module that is no file
                ' [' || CASE
                    WHEN source = 'kernel' THEN trim(module, '[]')
                    WHEN NOT starts_with(module, '//anon') THEN regexp_replace(module, '^.*/', '')
                END || ']'
            )
            ORDER BY depth
        ) AS frames
    FROM frames
    WHERE FALSE
{% if user_stack %}
        OR stack_id IN (SELECT stack_id FROM shown)
{% endif %}
{% if kernel_stack %}
        OR stack_id IN (SELECT kernel_stack_id FROM waits)
{% endif %}
    GROUP BY stack_id
)
{% endif %}
SELECT
{% if not aggregate %}
    -- when it happened, wall clock (UTC)
    make_timestamp_ns(at_ns + {{ wall_offset_ns }}) AS ts,
{% endif %}
{% if time is not none %}
    -- the same as asked for
    {{ time }} AS "time",
{% endif %}
{% if print_cpu %}
    -- CPU on which the call ended
    cpu,
{% endif %}
    -- process id
    pid,
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- the function, as the probe names it
    func,
    -- what the probe's format says
    message
{% if kernel_stack %}
    -- frames in the kernel where the call waited, innermost first; NULL: none was recorded
    , in_kernel.frames AS kernel_stack
{% endif %}
{% if user_stack %}
    -- frames, innermost first; NULL: no stack was recorded
    , of_user.frames AS stack
{% endif %}
{% if aggregate %}
    -- how often
    , count(*) AS "count"
{% endif %}
FROM shown
{% if user_stack %}
LEFT JOIN frame_lists AS of_user ON of_user.stack_id = shown.stack_id
{% endif %}
{% if kernel_stack %}
LEFT JOIN waits ON waits.event_id = shown.event_id
LEFT JOIN frame_lists AS in_kernel ON in_kernel.stack_id = waits.kernel_stack_id
{% endif %}
{% if aggregate %}
GROUP BY ALL
ORDER BY "count" DESC, min(at_ns), min(shown.event_id)
{% else %}
ORDER BY at_ns, shown.event_id, probe
{% endif %}
