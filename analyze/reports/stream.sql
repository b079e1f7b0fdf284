WITH {{ given }},
calls AS MATERIALIZED (
    SELECT
        event_id, ts, ts_ns, duration_ns, pid, tid, comm, syscall, ret, arg0, arg1, arg2, resolved_path, resolved_path2,
        -- a look at what is there (MSG_PEEK); the next call gets it again
        coalesce(CASE syscall WHEN 'recvfrom' THEN arg3 & 2 WHEN 'recvmsg' THEN arg2 & 2 END != 0, FALSE) AS peeked
    FROM syscalls
    WHERE syscall IN {{ moving }} AND (ret > 0 OR (ret = 0 AND syscall IN {{ receiving }})) AND {{ where }}
),
-- a call moves bytes through one descriptor, or from one to another
moves AS (
    SELECT event_id, arg0 & 4294967295 AS fd, resolved_path AS name, syscall IN {{ sending }} AS is_sent, TRUE AS is_first
    FROM calls
    UNION ALL
    SELECT event_id, (CASE WHEN syscall IN {{ back }} THEN arg1 ELSE arg2 END) & 4294967295, resolved_path2, syscall IN {{ copying }}, FALSE
    FROM calls
    WHERE syscall IN {{ copying }} OR syscall IN {{ back }}
),
transfers AS (
    SELECT
        c.event_id, c.ts, c.pid, c.tid, c.comm, c.syscall, m.fd::BIGINT AS fd, m.name, m.is_sent, c.peeked,
        -- what is sent leaves at the entry of a call, what is received is there at its return
        c.ts_ns + CASE WHEN m.is_sent THEN 0 ELSE coalesce(c.duration_ns, 0) END AS moved_ns,
        -- results of these calls count messages
        CASE WHEN c.syscall NOT IN {{ messages }} THEN c.ret END AS bytes,
        CASE WHEN c.syscall IN {{ messages }} THEN c.ret END AS messages,
        CASE WHEN m.is_first AND c.ret > 0 THEN d.bytes END AS copied,
        CASE WHEN m.is_first THEN d.status END AS status,
        CASE
            WHEN starts_with(m.name, 'unix:') THEN 'unix'
            WHEN regexp_matches(m.name, {{ internet }}) THEN split_part(m.name, ' ', 1)
            ELSE given.protocol
        END AS protocol,
        CASE
            WHEN m.is_first AND given.peer IS NOT NULL THEN given.peer
            WHEN starts_with(m.name, 'unix:') THEN nullif(replace(m.name[6:], '->', ''), '')
            WHEN contains(m.name, '->') THEN nullif(split_part(m.name, '->', 2), '?')
        END AS peer
    FROM moves AS m
    JOIN calls AS c ON c.event_id = m.event_id
    LEFT JOIN data AS d ON d.event_id = c.event_id AND d.arg = 1
    LEFT JOIN given ON given.event_id = c.event_id
),
placed AS (
    SELECT
        event_id, ts, pid, tid, comm, syscall, fd, name, is_sent, peeked, moved_ns, bytes, messages, copied, status, protocol, peer,
        coalesce(
            sum(CASE WHEN peeked THEN 0 ELSE bytes END) OVER (
                PARTITION BY pid, fd, name, is_sent ORDER BY moved_ns, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            0
        )::BIGINT AS position,
{% if by == 'peer' %}
        -- nothing tells apart sockets whose peer is not known but their descriptors
        CASE WHEN peer IS NULL THEN pid END AS key_pid,
        CASE WHEN peer IS NULL THEN fd END AS key_fd,
        CASE WHEN peer IS NULL THEN name ELSE protocol || ' ' || peer END AS key_name
{% elif by == 'file' %}
        NULL::INTEGER AS key_pid,
        NULL::BIGINT AS key_fd,
        name AS key_name
{% else %}
        pid AS key_pid,
        fd AS key_fd,
        name AS key_name
{% endif %}
    FROM transfers
),
chosen AS (
    SELECT
        event_id, ts, pid, tid, comm, syscall, fd, name, is_sent, peeked, moved_ns, bytes, messages, copied, status, protocol, peer, position,
        min((moved_ns, event_id)) OVER (PARTITION BY key_pid, key_fd, key_name) AS first_move
    FROM placed
    WHERE {{ only }}
)
SELECT
    -- the call, in syscalls
    event_id,
    -- entry of the call, wall clock (UTC)
    ts,
    -- when the bytes moved: entry of a call that sent, return of one that received, wall clock (UTC)
    make_timestamp_ns(moved_ns + {{ wall_offset_ns }}) AS moved_ts,
    -- process id
    pid,
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- name of the system call
    syscall,
    -- sent (written, too) or received (read)
    CASE WHEN is_sent THEN 'sent' ELSE 'received' END AS direction,
    -- number of the stream, in the order of their first transfers
    dense_rank() OVER (ORDER BY first_move) AS stream,
    -- number of the descriptor
    fd,
    -- what the descriptor is: file, TCP HERE->THERE, pipe ...; NULL: not known
    name,
    -- the other end: protocol and address, or path of a unix socket; NULL: none, or not known
    CASE WHEN peer IS NOT NULL THEN protocol || ' ' || peer END AS peer,
    -- bytes that went this way through this descriptor before, as far as calls were chosen
    position,
    -- bytes that the call moved, 0: the end; NULL: not recorded
    bytes,
    -- messages that sendmmsg or recvmmsg moved; NULL: another call
    messages,
    -- whether the bytes stayed, to be received again (MSG_PEEK)
    peeked,
    -- the first of these bytes; NULL: see data_status
    CASE WHEN octet_length(copied) > bytes THEN copied[1:bytes] ELSE copied END AS data,
    -- NULL: all bytes are in data; truncated: only the first; else why none is: not-copied, unreadable, lost
    CASE
        WHEN bytes = 0 THEN NULL
        WHEN octet_length(copied) >= bytes THEN NULL
        WHEN octet_length(copied) > 0 THEN 'truncated'
        ELSE coalesce(nullif(status, 'truncated'), 'not-copied')
    END AS data_status
FROM chosen
ORDER BY {% if by is not none %}first_move, {% endif %}moved_ns, event_id, is_sent
{% if top %}
LIMIT {{ top }}
{% endif %}
