SELECT
    -- the call, in syscalls
    event_id,
    -- entry, wall clock (UTC)
    ts,
    -- process id
    pid,
    -- name of the thread
    comm,
    -- protocol and version of IP: TCPv4, TCPv6; UNIX; NULL: not known
    CASE
        WHEN name LIKE 'TCP%' THEN if(contains(name, '['), 'TCPv6', 'TCPv4')
        WHEN name LIKE 'unix:%' THEN 'UNIX'
    END AS protocol,
    -- how many connections may wait to be accepted
    backlog,
    -- port that is listened on; NULL: none, or not known
    TRY_CAST(regexp_extract(name, ':(\d+)$', 1) AS INTEGER) AS port,
    -- address that is listened on, or the path of a unix socket; NULL: not known
    CASE
        WHEN name LIKE 'unix:%' THEN substr(name, 6)
        ELSE nullif(regexp_replace(regexp_replace(split_part(name, ' ', 2), ':[^:]*$', ''), '^\[|\]$', '', 'g'), '')
    END AS address,
    -- what listen returned: 0, or -errno
    ret
FROM (
    SELECT event_id, ts, ts_ns, pid, comm, ret, (arg1 & 4294967295)::BIGINT AS backlog, resolved_path AS name
    FROM syscalls
    WHERE syscall = 'listen' AND {{ where }}
)
ORDER BY ts_ns, event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
