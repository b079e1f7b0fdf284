WITH calls AS (
    SELECT
        event_id, pid, ts_ns, syscall, ret, errno, duration_ns, arg0 & 4294967295 AS fd, resolved_path AS name,
        -- what these say is not yet, or already
        coalesce(
            errno IN ('EAGAIN', 'EINPROGRESS') OR (syscall = 'connect' AND errno IN ('EALREADY', 'EISCONN', 'EINTR')), FALSE
        ) AS waits
    FROM syscalls
    WHERE syscall IN {{ calls }} AND {{ where }}
{% if uring %}
    UNION ALL
    SELECT
        NULL, pid, ts_ns, syscall, ret, errno, duration_ns, CAST(fd & 4294967295 AS UBIGINT), resolved_path,
        coalesce(errno IN ('EAGAIN', 'ECANCELED'), FALSE)
    FROM uring
    WHERE syscall IN {{ calls }} AND {{ where }}
{% endif %}
),
{{ given }},
-- connects that went on after the call
pending AS (
    SELECT event_id, pid, fd, ts_ns
    FROM calls
    WHERE syscall = 'connect' AND errno IN ('EINPROGRESS', 'EINTR')
),
-- what tells how they ended: the option SO_ERROR, another connect, data that went through; a close tells nothing
outcomes AS (
    SELECT
        pid,
        arg0 & 4294967295 AS fd,
        ts_ns,
        CASE
            WHEN syscall = 'close' THEN 'unknown'
            WHEN syscall = 'getsockopt' AND option.word0 & 4294967295 != 0 THEN 'failed'
            WHEN syscall = 'connect' AND errno IS DISTINCT FROM 'EISCONN' THEN 'repeated'
            ELSE 'connected'
        END AS outcome
    FROM syscalls
    LEFT JOIN (SELECT event_id, word0 FROM structs WHERE kind = 'sockopt' AND arg = 3) AS option USING (event_id)
    WHERE pid IN (SELECT pid FROM pending) AND (
        (syscall = 'getsockopt' AND arg1 & 4294967295 = 1 AND arg2 & 4294967295 = 4 AND option.word0 IS NOT NULL)
        OR (syscall = 'connect' AND errno IS DISTINCT FROM 'EALREADY')
        OR (syscall IN {{ moving }} AND ret > 0)
        OR syscall = 'close'
    )
),
ended AS (
    SELECT pending.event_id, outcome
    FROM pending
    ASOF JOIN outcomes ON outcomes.pid = pending.pid AND outcomes.fd = pending.fd AND pending.ts_ns < outcomes.ts_ns
),
told AS (
    SELECT
        calls.*,
        CASE WHEN pending.event_id IS NOT NULL THEN coalesce(outcome, 'unknown') END AS outcome,
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
    LEFT JOIN pending ON pending.event_id = calls.event_id
    LEFT JOIN ended ON ended.event_id = calls.event_id
)
SELECT
    -- TCP, UDP, unix ...; NULL: not known
    protocol,
    -- address and port, or path of a unix socket; NULL: none, or not known
    {{ peer }} AS peer,
    -- connections made to it, those whose outcome is not known among them
    count(*) FILTER (
        syscall = 'connect' AND (ret = 0 OR outcome IN ('connected', 'unknown'))
    ) AS connects,
    -- connections taken from it
    count(*) FILTER (syscall IN ('accept', 'accept4') AND ret >= 0) AS accepts,
    -- calls that failed, and connects that were refused after their call; EAGAIN says not yet
    count(*) FILTER (failed) AS failures,
    -- bytes sent to it, without those of messages_sent; NULL: only such were sent
    coalesce(
        sum(ret) FILTER (syscall IN {{ sending }} AND ret > 0),
        CASE WHEN NOT bool_or(coalesce(syscall = 'sendmmsg' AND ret > 0, FALSE)) THEN 0 END
    )::BIGINT AS bytes_sent,
    -- bytes received from it, without those of messages_received; NULL: only such were received
    coalesce(
        sum(ret) FILTER (syscall IN {{ receiving }} AND ret > 0),
        CASE WHEN NOT bool_or(coalesce(syscall = 'recvmmsg' AND ret > 0, FALSE)) THEN 0 END
    )::BIGINT AS bytes_received,
    -- all calls about it
    count(*) AS calls,
    -- time spent in them, ns
    coalesce(sum(duration_ns), 0)::BIGINT AS total_ns,
    -- number of processes that made them
    count(DISTINCT pid) AS processes,
    -- connects whose outcome is not known
    count(*) FILTER (outcome = 'unknown') AS connects_unknown,
    -- messages sent by sendmmsg, whose lengths are not recorded
    coalesce(sum(ret) FILTER (syscall = 'sendmmsg' AND ret > 0), 0)::BIGINT AS messages_sent,
    -- messages received by recvmmsg, whose lengths are not recorded
    coalesce(sum(ret) FILTER (syscall = 'recvmmsg' AND ret > 0), 0)::BIGINT AS messages_received
FROM (SELECT *, coalesce((failed(ret) AND NOT waits) OR outcome = 'failed', FALSE) AS failed FROM told)
WHERE protocol IS NOT NULL OR syscall IN {{ sockets_only }}
GROUP BY ALL
ORDER BY {{ sort }} DESC, calls DESC, protocol, peer
{% if top %}
LIMIT {{ top }}
{% endif %}
