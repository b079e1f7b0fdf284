WITH accepted AS (
    SELECT
        s.event_id, (s.ts_ns + s.duration_ns) // 1000 AS end_us, s.uid, s.pid, s.comm, a.address, a.port,
        split_part(s.resolved_path, ' ', 2) AS here,
        coalesce(a.family, CASE WHEN contains(here, '[') THEN 10 WHEN contains(here, '.') THEN 2 END) AS family
    FROM syscalls AS s
    LEFT JOIN sockaddrs AS a ON a.event_id = s.event_id AND a.family IN (2, 10)
    WHERE s.syscall IN ('accept', 'accept4') AND s.ret >= 0 AND s.resolved_path LIKE 'TCP%' AND {{ where }}
)
SELECT
    -- the call, in syscalls
    event_id,
    -- when it returned, wall clock (UTC)
    make_timestamp_ns(end_us * 1000 + {{ wall_offset_ns }}) AS ts,
    -- seconds since the first of them
    (end_us - min(end_us) OVER ()) / 1e6 AS time_s,
    -- real user id
    uid & 4294967295 AS uid,
    -- process id
    pid,
    -- name of the thread
    comm,
    -- version of IP: 4 or 6; NULL: not known
    CASE family WHEN 2 THEN 4 WHEN 10 THEN 6 END AS ip,
    -- address of the peer; NULL: the program did not ask for it
    address AS peer,
    -- port of the peer
    port AS peer_port,
    -- address that was connected to; NULL: not known
    nullif(regexp_replace(regexp_replace(here, ':[^:]*$', ''), '^\[|\]$', '', 'g'), '') AS source,
    -- port that was connected to; NULL: not known
    TRY_CAST(regexp_extract(here, ':(\d+)$', 1) AS INTEGER) AS source_port
FROM accepted
WHERE TRUE
{% if ports %}
    AND source_port IN {{ ports }}
{% endif %}
{% if family is not none %}
    AND family = {{ family }}
{% endif %}
ORDER BY end_us, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
