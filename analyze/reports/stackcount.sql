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
),
-- stacks of the same functions have one number, in the order of the functions: lists are slow to count and to sort by
numbered AS (
    SELECT stack_id, frames, dense_rank() OVER (ORDER BY frames) AS place FROM stacks_of
),
counted AS (
    SELECT "interval", pid, any_value(comm) AS comm, sum(count)::BIGINT AS count, coalesce(place, 0) AS place
    FROM chosen
    LEFT JOIN numbered USING (stack_id)
    GROUP BY "interval", pid, coalesce(place, 0)
{% if top %}
    QUALIFY row_number() OVER (PARTITION BY "interval" ORDER BY sum(count) DESC, pid, coalesce(place, 0)) <= {{ top }}
{% endif %}
)
SELECT
    -- number of the interval, from 1
    "interval",
    -- process id
    pid,
    -- name of a thread of it
    comm,
    -- calls made by this stack
    count,
    -- the functions, innermost first; empty: no stack was recorded
    coalesce(frames, []) AS frames
FROM counted
LEFT JOIN (SELECT place, any_value(frames) AS frames FROM numbered GROUP BY place) USING (place)
ORDER BY "interval", count, pid, place
