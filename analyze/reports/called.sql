-- What the queries of a summary share, so that they read the calls once: calls by thread and name, and failures by path.
called AS MATERIALIZED (
    SELECT
        pid,
        tid,
        syscall,
        count(*) AS calls,
        count(*) FILTER (errno = 'EAGAIN') AS again,
        count(*) FILTER (ret = 0) AS nothing,
        count(*) FILTER (ret >= 0) AS worked,
        sum(ret) FILTER (ret > 0) AS moved,
        coalesce(sum(duration_ns), 0) AS total_ns,
        greatest(max(ts_ns::DOUBLE + coalesce(duration_ns, 0)) - min(ts_ns), 1) AS span_ns,
        count(*) FILTER (entry_status = 'refused') AS refused,
        max(event_id) AS last,
        {{ lasted }}
    FROM syscalls
    WHERE {{ where }}
    GROUP BY pid, tid, syscall
),
wrong AS MATERIALIZED (
    SELECT pid, syscall, errno, path, count(*) AS calls
    FROM syscalls
    WHERE failed(ret) AND {{ where }}
    GROUP BY pid, syscall, errno, path
),
timed AS (
{% if same_threads %}
    SELECT tid, syscall, calls, path_calls, path_ns, other_ns FROM called
{% else %}
    SELECT
        tid,
        syscall,
        count(*) AS calls,
        {{ lasted }}
    FROM syscalls
    WHERE {{ threads }}
    GROUP BY tid, syscall
{% endif %}
)
