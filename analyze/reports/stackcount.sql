WITH chosen AS (
    SELECT {{ interval }} AS "interval", pid, any_value(comm) AS comm, stack_id, count(*) AS count
    FROM syscalls
    WHERE {{ where }} AND ({{ matching }})
    GROUP BY "interval", pid, stack_id
),
stacks_of AS (
    SELECT
        stack_id,
        list(
            concat(
{% if address %}
                printf('%-16x ', ip),
{% endif %}
                coalesce(demangled(symbol){% if offset %} || printf('+0x%x', coalesce(symbol_offset, 0)){% endif %}, '[unknown]')
            )
            ORDER BY depth
        ) AS frames
    FROM frames
    WHERE stack_id IN (SELECT stack_id FROM chosen)
    GROUP BY stack_id
)
SELECT
    -- number of the interval, from 1
    "interval",
    -- process id
    pid,
    -- name of a thread of it
    any_value(comm) AS comm,
    -- calls made by this stack
    sum(count)::BIGINT AS count,
    -- the functions, innermost first; empty: no stack was recorded
    coalesce(frames, []) AS frames
FROM chosen
LEFT JOIN stacks_of USING (stack_id)
GROUP BY "interval", pid, coalesce(frames, [])
{% if top %}
QUALIFY row_number() OVER (PARTITION BY "interval" ORDER BY sum(count) DESC, pid, coalesce(frames, [])) <= {{ top }}
{% endif %}
ORDER BY "interval", count, pid, frames
