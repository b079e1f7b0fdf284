WITH connects AS (
    SELECT s.event_id, s.ts, s.ts_ns, s.pid, s.tid, s.uid, s.comm, s.ret, s.errno, s.arg0 & 4294967295 AS fd, a.family, a.address, a.port
    FROM syscalls AS s
    JOIN sockaddrs AS a ON a.event_id = s.event_id AND a.family IN (2, 10)
    WHERE s.syscall = 'connect' AND s.resolved_path LIKE 'TCP%' AND {{ where }}
        -- the others were refused before a packet was sent
        AND (s.ret = 0 OR s.errno IN ('EINPROGRESS', 'EINTR', 'ECONNREFUSED', 'ETIMEDOUT', 'ECONNRESET', 'EHOSTUNREACH'))
{% if ports %}
        AND a.port IN {{ ports }}
{% endif %}
{% if family is not none %}
        AND a.family = {{ family }}
{% endif %}
),
-- what the socket is said to be afterwards: its own address, if a call told it
told AS (
    SELECT s.pid, s.arg0 & 4294967295 AS fd, s.ts_ns, a.address, a.port
    FROM syscalls AS s
    JOIN sockaddrs AS a ON a.event_id = s.event_id
    WHERE s.syscall IN ('getsockname', 'bind') AND s.ret = 0 AND a.family IN (2, 10)
),
closes AS (
    SELECT pid, arg0 & 4294967295 AS fd, ts_ns FROM syscalls WHERE syscall = 'close' AND ret = 0
),
located AS (
    SELECT c.event_id, min_by(t.address, t.ts_ns) AS address, min_by(t.port, t.ts_ns) AS port
    FROM connects AS c
    JOIN told AS t ON t.pid = c.pid AND t.fd = c.fd AND t.ts_ns > c.ts_ns
    WHERE NOT EXISTS (
        SELECT 1 FROM closes WHERE closes.pid = c.pid AND closes.fd = c.fd AND closes.ts_ns > c.ts_ns AND closes.ts_ns < t.ts_ns
    )
    GROUP BY c.event_id
)
SELECT
{% if count %}
    -- its own address; NULL: no call told it
    l.address AS source,
    -- address that it was connected to
    c.address AS peer,
    -- port that it was connected to
    c.port AS peer_port,
    -- how often
    count(*) AS count
{% else %}
    -- the call, in syscalls
    c.event_id,
    -- entry, wall clock (UTC)
    c.ts,
    -- seconds since the first of them
    (c.ts_ns // 1000 - min(c.ts_ns // 1000) OVER ()) / 1e6 AS time_s,
    -- real user id
    c.uid & 4294967295 AS uid,
    -- process id
    c.pid,
    -- name of the thread
    c.comm,
    -- version of IP: 4 or 6
    if(c.family = 2, 4, 6) AS ip,
    -- its own address; NULL: no call told it
    l.address AS source,
    -- its own port; NULL: no call told it
    l.port AS source_port,
    -- address that it was connected to
    c.address AS peer,
    -- port that it was connected to
    c.port AS peer_port,
    -- what connect returned: 0, or -errno
    c.ret,
    -- name of the error; NULL: it worked
    c.errno
{% endif %}
FROM connects AS c
LEFT JOIN located AS l ON l.event_id = c.event_id
{% if count %}
GROUP BY ALL
ORDER BY count DESC, source, peer, peer_port
{% else %}
ORDER BY c.ts_ns, c.event_id
{% endif %}
{% if top %}
LIMIT {{ top }}
{% endif %}
