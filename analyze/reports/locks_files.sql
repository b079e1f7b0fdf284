-- Locks of files that were asked for, got and given back, in the order of time; what: wait, get, give.
WITH asked AS (
    SELECT
        c.event_id, pid, tid, comm, ts_ns,
        CASE WHEN ret IS NOT NULL THEN ts_ns + coalesce(duration_ns, 0) END AS end_ns,
        ret, errno, unfinished, c_int(arg0) AS fd, resolved_path AS name, syscall = 'flock' AS is_flock, syscall != 'flock' AND arg1 IN (36, 37, 38) AS is_ofd,
        CASE WHEN syscall = 'flock' THEN CASE (arg1 & 11)::INTEGER WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 8 THEN 2 END
            ELSE (l.word0 & 65535)::INTEGER END AS kind,
        CASE WHEN syscall != 'flock' AND (l.word0 >> 16) & 65535 = 0 THEN TRY_CAST(l.word1 AS BIGINT) END AS first,
        CASE WHEN syscall != 'flock' AND (l.word0 >> 16) & 65535 = 0 THEN TRY_CAST(l.word2 AS BIGINT) END AS length,
        CASE WHEN syscall = 'flock' THEN arg1 & 4 = 0 ELSE arg1 IN (7, 14, 38) END AS waits,
        {{ where }} AS chosen
    FROM syscalls AS c
    LEFT JOIN structs AS l ON l.event_id = c.event_id AND l.kind = 'flock' AND l.arg = 2
    WHERE (syscall = 'flock' OR (syscall IN ('fcntl', 'fcntl64') AND arg1 IN (6, 7, 13, 14, 37, 38)))
        AND ts_ns IS NOT NULL AND pid IS NOT NULL AND tid IS NOT NULL
),
locked AS (SELECT DISTINCT pid, name FROM asked WHERE name IS NOT NULL)
SELECT 'ask' AS what, event_id, pid, tid, comm, ts_ns, end_ns, ret, errno, fd, name, is_flock, is_ofd, kind, first, length,
    kind != 2 AND waits AND chosen AND (
        end_ns - ts_ns >= {{ least_ns }}
        OR (ret IS NULL AND unfinished = 'recording-stopped' AND {{ stop_ns }} - ts_ns >= {{ least_ns }})
    ) AS is_long
FROM asked
UNION ALL
SELECT 'close', event_id, pid, tid, comm, ts_ns, ts_ns, ret, errno, c_int(arg0), resolved_path, NULL, NULL, 2, NULL, NULL, FALSE
FROM syscalls
WHERE syscall = 'close' AND (pid, resolved_path) IN (FROM locked) AND ts_ns IS NOT NULL AND tid IS NOT NULL
UNION ALL
SELECT 'end', NULL, pid, pid, comm, end_ns, end_ns, 0, NULL, NULL, NULL, NULL, NULL, 2, NULL, NULL, FALSE
FROM processes
WHERE end_ns IS NOT NULL AND pid IN (SELECT pid FROM locked)
ORDER BY ts_ns, event_id
