SELECT
    -- name of the system call
    syscall,
    -- calls whose entry and return were seen
    count(*) AS count,
    -- ns spent in them, together
    sum(duration_ns)::BIGINT AS total_ns,
    -- the shortest, ns
    min(duration_ns) AS min_ns,
    -- half of them took no longer, ns
    quantile_disc(duration_ns, 0.5) AS p50_ns,
    -- 95 of 100 took no longer, ns
    quantile_disc(duration_ns, 0.95) AS p95_ns,
    -- 99 of 100 took no longer, ns
    quantile_disc(duration_ns, 0.99) AS p99_ns,
    -- the longest, ns
    max(duration_ns) AS max_ns,
    -- how many of them failed
    count(*) FILTER (failed(ret)) AS errors,
    -- 90 of 100 took no longer, ns
    quantile_disc(duration_ns, 0.9) AS p90_ns
FROM syscalls
-- of a call that was under way when recording began, not all the time is known
WHERE duration_ns IS NOT NULL AND entry_status IS NULL AND {{ where }}
GROUP BY syscall
ORDER BY total_ns DESC, syscall
{% if top %}
LIMIT {{ top }}
{% endif %}
