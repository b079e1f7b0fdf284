WITH calls AS (
    SELECT event_id, pid, syscall, ret, errno, duration_ns, resolved_path AS name
    FROM syscalls
    WHERE syscall IN {{ calls }} AND {{ where }}
),
-- addresses that calls were given, or gave
given AS (
    SELECT
        event_id,
        CASE family WHEN 1 THEN 'unix' END AS protocol,
        CASE family
            WHEN 1 THEN nullif(address, '')
            WHEN 2 THEN address || ':' || port
            WHEN 10 THEN '[' || address || ']:' || port
        END AS peer
    FROM sockaddrs
    WHERE family IN (1, 2, 10)
),
told AS (
    SELECT
        calls.*,
        CASE
            WHEN starts_with(name, 'unix:') THEN 'unix'
            WHEN regexp_matches(name, {{ internet }}) THEN split_part(name, ' ', 1)
            ELSE given.protocol
        END AS protocol,
        CASE
            WHEN given.peer IS NOT NULL THEN given.peer
            -- the other end of a unix socket is called as the end that has a path
            WHEN starts_with(name, 'unix:') THEN nullif(replace(name[6:], '->', ''), '')
            WHEN contains(name, '->') THEN nullif(split_part(name, '->', 2), '?')
        END AS peer
    FROM calls
    LEFT JOIN given ON given.event_id = calls.event_id
)
SELECT
    -- TCP, UDP, unix ...; NULL: not known
    protocol,
    -- address and port, or path of a unix socket; NULL: none, or not known
    {{ peer }} AS peer,
    -- connections made to it, those under way among them
    count(*) FILTER (syscall = 'connect' AND NOT failed) AS connects,
    -- connections taken from it
    count(*) FILTER (syscall IN ('accept', 'accept4') AND ret >= 0) AS accepts,
    -- calls that failed; EAGAIN and EINPROGRESS say not yet
    count(*) FILTER (failed) AS failures,
    -- bytes sent to it
    coalesce(sum(ret) FILTER (syscall IN {{ sending }} AND ret > 0), 0)::BIGINT AS bytes_sent,
    -- bytes received from it
    coalesce(sum(ret) FILTER (syscall IN {{ receiving }} AND ret > 0), 0)::BIGINT AS bytes_received,
    -- all calls about it
    count(*) AS calls,
    -- time spent in them, ns
    coalesce(sum(duration_ns), 0)::BIGINT AS total_ns,
    -- number of processes that made them
    count(DISTINCT pid) AS processes
FROM (SELECT *, coalesce(failed(ret) AND errno NOT IN ('EAGAIN', 'EINPROGRESS'), FALSE) AS failed FROM told)
WHERE protocol IS NOT NULL OR syscall IN {{ sockets_only }}
GROUP BY ALL
ORDER BY {{ sort }} DESC, calls DESC, protocol, peer
{% if top %}
LIMIT {{ top }}
{% endif %}
