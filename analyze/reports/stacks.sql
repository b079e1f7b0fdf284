WITH chosen AS (
    SELECT
        syscall,
        stack_id,
        count(*) AS calls,
        count(*) FILTER (failed(ret)) AS failures,
        coalesce(sum(duration_ns), 0)::BIGINT AS total_ns
    FROM syscalls
    WHERE stack_id IS NOT NULL AND {{ where }}
    GROUP BY syscall, stack_id
),
{{ paths }}
SELECT
    -- name of the system call
    syscall,
    -- calls made by this path
    sum(calls)::BIGINT AS calls,
    -- those that failed
    sum(failures)::BIGINT AS failures,
    -- ns spent in them, together
    sum(total_ns)::BIGINT AS total_ns,
    -- percent of {{ measure }} of all chosen calls that have a stack
    100.0 * sum({{ measure }}) / nullif(sum(sum({{ measure }})) OVER (), 0) AS share,
    -- NULL: the frames lead to the thread's first function; else why they do not
    nullif(stacks.status, 'root') AS status,
    -- the functions, innermost first
    coalesce(paths.frames, []) AS frames
FROM chosen
LEFT JOIN stacks USING (stack_id)
LEFT JOIN paths USING (stack_id)
GROUP BY syscall, stacks.status, paths.frames
{% if only_measured %}
HAVING sum({{ measure }}) > 0
{% endif %}
ORDER BY sum({{ measure }}) DESC, syscall, frames, status
{% if top %}
LIMIT {{ top }}
{% endif %}
