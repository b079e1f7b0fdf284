-- a call is about one file or two
WITH calls AS NOT MATERIALIZED (
    SELECT pid, syscall, ret, duration_ns, path, path2, resolved_path, resolved_path2
    FROM syscalls
    WHERE coalesce(resolved_path, resolved_path2, path, path2) IS NOT NULL
        AND resolved_reason IS DISTINCT FROM 'not-a-path' AND {{ where }}
{% if uring %}
    UNION ALL
    SELECT pid, syscall, ret, duration_ns, path, path2, resolved_path, resolved_path2
    FROM uring
    WHERE coalesce(resolved_path, resolved_path2, path, path2) IS NOT NULL
        AND resolved_reason IS DISTINCT FROM 'not-a-path' AND {{ where }}
{% endif %}
),
uses AS (
    SELECT
        coalesce(resolved_path, path) AS path,
        resolved_path IS NOT NULL AS resolved,
        pid,
        ret,
        duration_ns,
        syscall IN {{ opening }} AS opens,
        syscall = 'close' AND ret = 0 AS closes,
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
        FALSE,
        syscall IN {{ reading_second }} AND ret > 0,
        syscall IN {{ writing_second }} AND ret > 0
    FROM calls
    WHERE syscall IN {{ about_two }}
)
SELECT
    -- opens of it that worked
    sum(opens)::BIGINT AS opens,
    -- calls about it that failed, opens among them
    sum(failures)::BIGINT AS failures,
    -- bytes read from it
    sum(bytes_read)::BIGINT AS bytes_read,
    -- bytes written to it
    sum(bytes_written)::BIGINT AS bytes_written,
    -- all calls about it
    sum(calls)::BIGINT AS calls,
    -- time spent in them, ns
    sum(total_ns)::BIGINT AS total_ns,
    -- number of processes that made them
    count(DISTINCT pid) AS processes,
    -- its name: absolute, or, where resolved is false, the path as passed
    path,
    -- whether it is known where a path that was passed starts
    resolved,
    -- closes of its descriptors
    sum(closes)::BIGINT AS closes,
    -- opens that no close followed, in processes that outlived the recording
    sum(CASE WHEN outlived THEN greatest(opens - closes, 0) ELSE 0 END)::BIGINT AS left_open
FROM (
    SELECT
        path,
        resolved,
        uses.pid,
        any_value(still.pid) IS NOT NULL AS outlived,
        count(*) FILTER (opens AND ret >= 0) AS opens,
        count(*) FILTER (closes) AS closes,
        count(*) FILTER (failed(ret)) AS failures,
        coalesce(sum(ret) FILTER (reads), 0)::BIGINT AS bytes_read,
        coalesce(sum(ret) FILTER (writes), 0)::BIGINT AS bytes_written,
        count(*) AS calls,
        coalesce(sum(duration_ns), 0)::BIGINT AS total_ns
    FROM uses
    LEFT JOIN (SELECT DISTINCT pid FROM processes WHERE end_ns IS NULL) AS still ON still.pid = uses.pid
    WHERE path IS NOT NULL AND (starts_with(path, '/') OR NOT resolved)
    GROUP BY path, resolved, uses.pid
)
GROUP BY path, resolved
ORDER BY {{ sort }} DESC, calls DESC, path, resolved
{% if top %}
LIMIT {{ top }}
{% endif %}
