WITH binds AS (
    SELECT
        s.event_id, s.ts, s.ts_ns, s.duration_ns, s.uid, s.pid, s.comm, s.ret, s.errno, s.arg0 & 4294967295 AS fd,
        split_part(s.resolved_path, ' ', 1) AS protocol, a.family, a.address, a.port
    FROM syscalls AS s
    JOIN sockaddrs AS a ON a.event_id = s.event_id AND a.family IN (2, 10)
    WHERE s.syscall = 'bind' AND s.ret IS NOT NULL AND {{ where }}
{% if not errors %}
        AND s.ret = 0
{% endif %}
{% if ports %}
        AND a.port IN {{ ports }}
{% endif %}
),
-- what was set on the socket before it was bound, and after its number was last made: bcc shows these options
options AS (
    SELECT
        b.event_id,
        CASE
            WHEN o.arg1 & 4294967295 = 0 AND o.arg2 & 4294967295 = 15 THEN 'F'
            WHEN o.arg1 & 4294967295 = 0 AND o.arg2 & 4294967295 = 19 THEN 'T'
            WHEN o.arg1 & 4294967295 = 0 AND o.arg2 & 4294967295 = 24 THEN 'N'
            WHEN o.arg1 & 4294967295 = 1 AND o.arg2 & 4294967295 = 2 THEN 'R'
            WHEN o.arg1 & 4294967295 = 1 AND o.arg2 & 4294967295 = 15 THEN 'r'
        END AS letter,
        max_by(st.word0 & 4294967295, o.ts_ns) AS value
    FROM binds AS b
    JOIN syscalls AS o ON o.syscall = 'setsockopt' AND o.ret = 0 AND o.pid = b.pid AND o.arg0 & 4294967295 = b.fd AND o.ts_ns < b.ts_ns
    JOIN structs AS st ON st.event_id = o.event_id AND st.kind = 'sockopt'
    WHERE NOT EXISTS (
        SELECT 1 FROM syscalls AS c
        WHERE c.pid = b.pid AND c.ts_ns > o.ts_ns AND c.ts_ns < b.ts_ns
            AND c.syscall = 'close' AND c.ret = 0 AND c.arg0 & 4294967295 = b.fd
    )
    GROUP BY b.event_id, letter
),
flags AS (
    SELECT event_id, string_agg(letter, '') AS letters FROM options WHERE letter IS NOT NULL AND value != 0 GROUP BY event_id
)
SELECT
{% if count %}
    -- address that was asked for
    b.address,
    -- port that was asked for; 0: the kernel chose one
    b.port,
    -- how often
    count(*) AS count
{% else %}
    -- the call, in syscalls
    b.event_id,
    -- entry, wall clock (UTC)
    b.ts,
    -- seconds since the return of the first of them
    ((b.ts_ns + b.duration_ns) // 1000 - min((b.ts_ns + b.duration_ns) // 1000) OVER ()) / 1e6 AS time_s,
    -- real user id
    b.uid & 4294967295 AS uid,
    -- process id
    b.pid,
    -- name of the thread
    b.comm,
    -- TCP, UDP ...; NULL: not known
    nullif(b.protocol, '') AS protocol,
    -- address that was asked for
    b.address,
    -- port that was asked for; 0: the kernel chose one
    b.port,
    -- options that were set before: F IP_FREEBIND, T IP_TRANSPARENT, N IP_BIND_ADDRESS_NO_PORT, R SO_REUSEADDR, r SO_REUSEPORT
    concat(
        if(contains(letters, 'F'), 'F', '.'), if(contains(letters, 'T'), 'T', '.'), if(contains(letters, 'N'), 'N', '.'),
        if(contains(letters, 'R'), 'R', '.'), if(contains(letters, 'r'), 'r', '.')
    ) AS options,
    -- what bind returned: 0, or -errno
    b.ret,
    -- name of the error; NULL: it worked
    b.errno
{% endif %}
FROM binds AS b
LEFT JOIN flags ON flags.event_id = b.event_id
{% if count %}
GROUP BY ALL
ORDER BY count DESC, b.address, b.port
{% else %}
ORDER BY b.ts_ns + b.duration_ns, b.event_id
{% endif %}
{% if top %}
LIMIT {{ top }}
{% endif %}
