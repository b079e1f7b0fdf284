WITH chosen AS (
    SELECT event_id FROM page_kept
),
texts AS (
    {{ texts }}
),
{{ given }}
SELECT
    s.event_id,
    s.pid,
    s.tid,
    s.ts_ns::HUGEINT - {{ start_ns }}::HUGEINT AS at_ns,
    s.duration_ns,
    s.syscall,
    s.errno,
    s.ret,
    texts.call,
    coalesce(s.resolved_path, s.path) AS path,
    CASE
        WHEN s.path IS NOT NULL THEN coalesce(s.resolved_path, s.path)
        WHEN starts_with(s.syscall, 'futex') THEN printf('lock 0x%x of process %d', s.arg0, s.pid)
        WHEN s.syscall IN ('wait4', 'waitid') THEN CASE WHEN s.syscall = 'wait4' AND s.ret > 0 THEN 'process ' || s.ret ELSE 'a child' END
        WHEN regexp_matches(s.resolved_path, {{ internet }}) THEN {{ peer }}
        ELSE coalesce(given.address, s.resolved_path)
    END AS object,
    s.stack_id,
    coalesce(s.unfinished, s.entry_status) AS remark
FROM chosen
JOIN syscalls AS s ON s.event_id = chosen.event_id
LEFT JOIN texts ON texts.event_id = chosen.event_id
LEFT JOIN given ON given.event_id = chosen.event_id
WHERE s.ts_ns IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY s.event_id) = 1
ORDER BY s.ts_ns, s.event_id
