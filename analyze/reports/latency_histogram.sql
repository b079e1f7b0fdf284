SELECT
    -- name of the system call
    syscall,
    -- from so many ns
    CASE slot WHEN 1 THEN 0 ELSE 1::BIGINT << (slot - 1)::INTEGER END AS from_ns,
    -- to so many ns
    (1::BIGINT << slot::INTEGER) - 1 AS to_ns,
    -- calls that took so long
    count(*) AS count
-- a value of n binary digits is in slot n
FROM (SELECT syscall, length(bin(duration_ns)) AS slot FROM syscalls WHERE duration_ns IS NOT NULL AND entry_status IS NULL AND {{ where }})
{% if top %}
WHERE syscall IN (
    SELECT syscall FROM syscalls WHERE duration_ns IS NOT NULL AND entry_status IS NULL AND {{ where }}
    GROUP BY syscall ORDER BY count(*) DESC, syscall LIMIT {{ top }}
)
{% endif %}
GROUP BY syscall, slot
ORDER BY sum(count(*)) OVER (PARTITION BY syscall) DESC, syscall, slot
