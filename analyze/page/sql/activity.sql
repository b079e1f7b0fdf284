SELECT
{% if by_thread %}
    pid,
    tid,
{% endif %}
    least(greatest((ts_ns::HUGEINT - {{ start_ns }}::HUGEINT) // {{ bucket_ns }}, 0), {{ buckets - 1 }})::INTEGER AS bucket,
    count(*) AS calls,
    count(*) FILTER (failed(ret)) AS failed
FROM syscalls
WHERE ts_ns IS NOT NULL AND {{ where }}
GROUP BY ALL
ORDER BY ALL
