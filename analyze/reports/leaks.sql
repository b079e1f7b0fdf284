WITH counted(
    pid, comm, syscall, pattern, stack_id, first_name, last_name, example,
    opened, open, left_at_exit, closed, unknown, first_ns, last_ns
) AS (
{% if rows %}
    VALUES {{ rows }}
{% else %}
    SELECT
        NULL::INTEGER, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, NULL::BIGINT, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR,
        0, 0, 0, 0, 0, NULL::BIGINT, NULL::BIGINT
    WHERE FALSE
{% endif %}
),
shared AS (
    SELECT *, regexp_replace(
        left(low, coalesce(list_max([n FOR n IN range(length(low) + 1) IF left(low, n) = left(high, n)]), 0)), '[0-9]+$', ''
    ) AS shared
    FROM (
        SELECT *,
            min(first_name::VARCHAR) OVER of_pattern AS low,
            max(last_name::VARCHAR) OVER of_pattern AS high
        FROM counted
        WINDOW of_pattern AS (PARTITION BY pid, syscall, pattern)
    )
),
{{ paths }}
SELECT
    -- descriptors that are open
    sum(open)::BIGINT AS open,
    -- those that were open when their process ended
    sum(left_at_exit)::BIGINT AS left_at_exit,
    -- descriptors that the calls made in all: the sum of these two, closed and unknown
    sum(opened)::BIGINT AS opened,
    -- those that a call closed
    sum(closed)::BIGINT AS closed,
    -- those of which the trace cannot tell
    sum(unknown)::BIGINT AS unknown,
    -- process id
    counted.pid::INTEGER AS pid,
    -- name of the thread
    comm::VARCHAR AS comm,
    -- name of the system call that made them
    syscall::VARCHAR AS syscall,
    -- what they are: the name if they share it; else with * for what differs; NULL: not known
    CASE
        WHEN min(first_name) = max(last_name) THEN min(first_name)
        -- Numbers that stand before the first difference are the same in all.
        WHEN regexp_replace(min(first_name), '[0-9]+', '*', 'g') = pattern THEN concat(
            any_value(shared), regexp_replace(substr(min(first_name), length(any_value(shared)) + 1), '[0-9]+', '*', 'g')
        )
        ELSE pattern
    END::VARCHAR AS name,
    -- the name of one that is open
    any_value(example)::VARCHAR AS example,
    -- when the first of those that are open was made, wall clock (UTC)
    make_timestamp_ns(min(first_ns)::BIGINT + {{ wall_offset_ns }}) AS first_ts,
    -- when the last of them was made, wall clock (UTC)
    make_timestamp_ns(max(last_ns)::BIGINT + {{ wall_offset_ns }}) AS last_ts,
    -- NULL: the frames lead to the thread's first function; else why they do not
    nullif(stacks.status, 'root') AS status,
    -- the functions, innermost first
    coalesce(paths.frames, []) AS frames
FROM shared AS counted
LEFT JOIN stacks ON stacks.stack_id = counted.stack_id::BIGINT
LEFT JOIN paths ON paths.stack_id = counted.stack_id::BIGINT
GROUP BY counted.pid, comm, syscall, pattern, stacks.status, paths.frames
HAVING {{ measure }} >= {{ least }}
ORDER BY {{ measure }} DESC, first_ts, counted.pid, syscall, name, frames
{% if top %}
LIMIT {{ top }}
{% endif %}
