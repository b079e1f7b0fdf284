-- Pairs of calls of which the second took bytes that the first put into a pipe, or sent on a TCP connection of the host.
WITH names AS MATERIALIZED (
    SELECT resolved_path AS name, count(DISTINCT (pid, arg0)) AS holders
    FROM syscalls
    WHERE starts_with(resolved_path, 'TCP ') AND contains(resolved_path, '->') AND syscall IN {{ moving }}
    GROUP BY 1
),
-- A client that was not bound does not know its address. It is known where the server has one connection.
found AS MATERIALIZED (
    SELECT c.name, any_value('TCP ' || split_part(s.name, '->', 2) || '->' || split_part(c.name, '->', 2)) AS whole
    FROM names AS c JOIN names AS s ON split_part(s.name[5:], '->', 1) = split_part(c.name, '->', 2)
    WHERE starts_with(c.name, 'TCP ?->') AND c.holders = 1
    GROUP BY c.name
    HAVING count(*) = 1 AND max(s.holders) = 1
),
moves AS MATERIALIZED (
    SELECT
        event_id, syscall IN {{ sending }} AS is_sent, ret AS bytes,
        -- what is sent leaves at the entry of a call, what is received is there at its return
        ts_ns + CASE WHEN syscall IN {{ sending }} THEN 0 ELSE duration_ns END AS moved_ns,
        coalesce(found.whole, resolved_path) AS name
    FROM syscalls LEFT JOIN found ON found.name = resolved_path
    WHERE ret > 0 AND duration_ns IS NOT NULL AND syscall IN {{ moving }}
        AND (starts_with(resolved_path, 'pipe:') OR (starts_with(resolved_path, 'TCP ') AND contains(resolved_path, '->')))
        AND NOT contains(coalesce(found.whole, resolved_path), '?')
        -- a look at what is there (MSG_PEEK); the next call gets it again
        AND NOT coalesce(CASE syscall WHEN 'recvfrom' THEN arg3 & 2 WHEN 'recvmsg' THEN arg2 & 2 END != 0, FALSE)
),
placed AS MATERIALIZED (
    SELECT
        event_id, is_sent, moved_ns, channel,
        sum(bytes) OVER before - bytes AS first_byte,
        sum(bytes) OVER before AS end_byte
    FROM (
        SELECT
            event_id, is_sent, moved_ns, bytes,
            -- the two ends of a connection are called the other way round
            CASE WHEN is_sent OR starts_with(name, 'pipe:') THEN name ELSE
                'TCP ' || split_part(name[5:], '->', 2) || '->' || split_part(name[5:], '->', 1)
            END AS channel
        FROM moves
    )
    WINDOW before AS (PARTITION BY channel, is_sent ORDER BY moved_ns, event_id)
),
sent AS MATERIALIZED (SELECT event_id, moved_ns, channel, first_byte, end_byte FROM placed WHERE is_sent),
received AS MATERIALIZED (SELECT event_id, moved_ns, channel, first_byte, end_byte FROM placed WHERE NOT is_sent),
-- two stretches of bytes that overlap begin to do so where one of them begins
pairs AS (
    SELECT s.event_id AS sender, r.event_id AS receiver, s.channel, s.moved_ns AS sent_ns, r.moved_ns AS received_ns
    FROM received AS r ASOF JOIN sent AS s ON s.channel = r.channel AND r.first_byte >= s.first_byte
    WHERE r.first_byte < s.end_byte
    UNION
    SELECT s.event_id, r.event_id, s.channel, s.moved_ns, r.moved_ns
    FROM sent AS s ASOF JOIN received AS r ON r.channel = s.channel AND s.first_byte >= r.first_byte
    WHERE s.first_byte < r.end_byte
),
-- Where bytes moved that no recorded call tells of, nothing is known of the others.
doubtful AS (
    SELECT channel FROM pairs WHERE received_ns < sent_ns
    UNION
    SELECT unnest([name, 'TCP ' || split_part(name[5:], '->', 2) || '->' || split_part(name[5:], '->', 1)])
    FROM (SELECT unnest([resolved_path, resolved_path2]) AS name FROM syscalls WHERE syscall IN {{ uncounted }} AND ret > 0)
    WHERE name IS NOT NULL
    UNION
    SELECT channel FROM placed GROUP BY channel
    HAVING max(end_byte) FILTER (NOT is_sent) > coalesce(max(end_byte) FILTER (is_sent), 0)
)
SELECT sender, receiver
FROM pairs
WHERE channel NOT IN (FROM doubtful)
    AND sender IN (SELECT event_id FROM syscalls WHERE {{ calls }})
    AND receiver IN (SELECT event_id FROM syscalls WHERE {{ calls }})
ORDER BY sender, receiver
