SELECT
    pid,
    coalesce(cmdline, comm) AS name,
    start_ns::HUGEINT - {{ start_ns }}::HUGEINT AS start_ns,
    end_ns::HUGEINT - {{ start_ns }}::HUGEINT AS end_ns,
    exit_code,
    signal
FROM processes
WHERE pid IS NOT NULL
ORDER BY start_ns NULLS FIRST
