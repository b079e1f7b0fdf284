-- a call is about one file or two
WITH calls AS NOT MATERIALIZED (
    SELECT pid, syscall, ret, duration_ns, path, path2, resolved_path, resolved_path2
    FROM syscalls
    WHERE coalesce(resolved_path, resolved_path2, path, path2) IS NOT NULL
        AND resolved_reason IS DISTINCT FROM 'not-a-path' AND {{ where }}
),
uses AS (
    SELECT
        coalesce(resolved_path, path) AS path,
        resolved_path IS NOT NULL AS resolved,
        pid,
        ret,
        duration_ns,
        syscall IN {{ opening }} AS opens,
        syscall IN {{ reading }} AND ret > 0 AS reads,
        syscall IN {{ writing }} AND ret > 0 AS writes
    FROM calls
    UNION ALL
    SELECT
        coalesce(resolved_path2, path2),
        resolved_path2 IS NOT NULL,
        pid,
        ret,
        duration_ns,
        FALSE,
        syscall IN {{ reading_second }} AND ret > 0,
        syscall IN {{ writing_second }} AND ret > 0
    FROM calls
)
SELECT
    -- opens of it that worked
    count(*) FILTER (opens AND ret >= 0) AS opens,
    -- calls about it that failed, opens among them
    count(*) FILTER (failed(ret)) AS failures,
    -- bytes read from it
    coalesce(sum(ret) FILTER (reads), 0)::BIGINT AS bytes_read,
    -- bytes written to it
    coalesce(sum(ret) FILTER (writes), 0)::BIGINT AS bytes_written,
    -- all calls about it
    count(*) AS calls,
    -- time spent in them, ns
    coalesce(sum(duration_ns), 0)::BIGINT AS total_ns,
    -- number of processes that made them
    count(DISTINCT pid) AS processes,
    -- its name: absolute, or, where resolved is false, the path as passed
    path,
    -- whether it is known where a path that was passed starts
    resolved
FROM uses
WHERE path IS NOT NULL AND (starts_with(path, '/') OR NOT resolved)
GROUP BY path, resolved
ORDER BY {{ sort }} DESC, calls DESC, path, resolved
{% if top %}
LIMIT {{ top }}
{% endif %}
