-- Addresses that sockets got: whose (side), when, and by which descriptor; times are 2 * ns.
SELECT
    c.pid,
    c.tid,
    CASE WHEN syscall IN ('accept', 'accept4') THEN CAST(ret AS INTEGER) ELSE c_int(arg0) END AS fd,
    CASE WHEN syscall IN ('accept', 'accept4') THEN 2 * (ts_ns + duration_ns) ELSE 2 * ts_ns END AS seen,
    2 * (ts_ns + duration_ns) AS at,
    syscall IN ('bind', 'getsockname') AS is_local,
    CASE family
        WHEN 0 THEN NULL
        WHEN 2 THEN concat(address, ':', nullif(port, 0)::VARCHAR, if(port = 0, '?', ''))
        WHEN 10 THEN concat('[', address, ']:', nullif(port, 0)::VARCHAR, if(port = 0, '?', ''))
        ELSE address END AS address
FROM world_calls AS c
JOIN sockaddrs AS a ON a.event_id = c.event_id AND a.arg = 1 AND a.status IS NULL
WHERE syscall IN {{ calls }}
    AND (ret BETWEEN 0 AND 2147483647 OR (syscall = 'connect' AND errno = 'EINPROGRESS'))
