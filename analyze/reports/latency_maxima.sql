SELECT event_id
FROM (
    SELECT
        event_id,
        duration_ns,
        -- a maximum is hit when the call returns
        max(duration_ns) OVER (
            PARTITION BY syscall ORDER BY ts_ns + duration_ns, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS before_ns
    FROM syscalls
    WHERE duration_ns IS NOT NULL AND entry_status IS NULL AND {{ where }}
)
WHERE before_ns IS NULL OR duration_ns > before_ns
