SELECT
    -- TCP, UDP, unix ...
    CASE WHEN o.name LIKE 'unix:%' THEN 'unix' ELSE split_part(o.name, ' ', 1) END AS protocol,
    -- its own address and port, or the path of a unix socket; NULL: not known
    CASE
        WHEN o.name LIKE 'unix:%' THEN nullif(substr(o.name, 6), '')
        ELSE nullif(nullif(split_part(split_part(o.name, ' ', 2), '->', 1), ''), '?')
    END AS source,
    -- address and port of its peer; NULL: none, or not known
    CASE WHEN contains(o.name, '->') THEN nullif(split_part(o.name, '->', 2), '?') END AS peer,
    -- CONNECTED, LISTEN; NULL: neither is known
    CASE
        WHEN contains(o.name, '->') THEN 'CONNECTED'
        WHEN EXISTS (
            SELECT 1 FROM syscalls AS s
            WHERE s.syscall = 'listen' AND s.ret = 0 AND s.ts_ns <= {{ at_ns }} AND s.resolved_path = o.name
        ) THEN 'LISTEN'
    END AS state,
    -- process id
    o.pid,
    -- last name of its main thread
    p.comm,
    -- number of the descriptor
    o.fd
{{ opened }}
WHERE (regexp_matches(o.name, {{ internet }}) OR o.name LIKE 'unix:%') AND {{ where }}
ORDER BY protocol, o.pid, o.fd
{% if top %}
LIMIT {{ top }}
{% endif %}
