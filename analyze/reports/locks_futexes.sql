-- Calls that wait for a futex, or wake somebody, in the order of their entry; only where a chosen wait was long.
WITH futexes AS (
    SELECT
        event_id, pid, tid, comm, ts_ns, CASE WHEN ret IS NOT NULL THEN ts_ns + coalesce(duration_ns, 0) END AS end_ns,
        ret, errno, unfinished, coalesce(arg0, 0) AS address, coalesce(arg4, 0) AS address2,
        CASE WHEN syscall IN ('futex', 'futex_time64') THEN (arg1 & 127)::INTEGER WHEN syscall = 'futex_wait' THEN 0 ELSE 1 END AS op,
        coalesce(CASE WHEN syscall IN ('futex', 'futex_time64') THEN arg1 ELSE arg3 END & 128 != 0, FALSE) AS is_private,
        coalesce(CASE WHEN syscall = 'futex_wait' THEN arg1 ELSE arg2 END & 4294967295, 0) AS value,
        CASE WHEN syscall IN ('futex', 'futex_time64') THEN arg3 ELSE arg4 END AS timeout,
        {{ where }} AS chosen
    FROM syscalls
    WHERE syscall IN ('futex', 'futex_time64', 'futex_wait', 'futex_wake')
        AND ts_ns IS NOT NULL AND pid IS NOT NULL AND tid IS NOT NULL
),
waits AS (
    SELECT *, chosen AND errno IS DISTINCT FROM 'EAGAIN' AND (
        end_ns - ts_ns >= {{ least_ns }}
        OR (ret IS NULL AND unfinished = 'recording-stopped' AND {{ stop_ns }} - ts_ns >= {{ least_ns }})
    ) AS is_long
    FROM futexes
    WHERE op IN {{ waiting }}
),
places AS (
    SELECT DISTINCT pid, address FROM waits WHERE is_long
    UNION
    -- Who waits can be moved there.
    SELECT DISTINCT pid, address2 FROM futexes WHERE op IN {{ requeueing }}
)
SELECT event_id, pid, tid, comm, ts_ns, end_ns, ret, errno, op, is_private, address, address2, value, timeout, is_long
FROM (
    SELECT * FROM waits WHERE is_long OR (errno IS NULL AND (ret IS NOT NULL OR unfinished = 'recording-stopped'))
    UNION ALL
    SELECT *, FALSE FROM futexes WHERE op IN {{ waking }} AND (ret > 0 OR (op = {{ unlock_pi }} AND ret = 0))
)
-- The same memory can stand at another address in another process.
WHERE NOT is_private OR (pid, address) IN (FROM places) OR (pid, address2) IN (FROM places)
ORDER BY ts_ns, event_id
