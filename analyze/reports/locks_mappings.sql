-- Shared memory that processes mapped, the first first.
SELECT
    pid, ts_ns + coalesce(duration_ns, 0) AS at, ret AS address, arg1 AS length,
    CASE WHEN arg3 & 32 != 0 THEN concat('shared memory #', event_id) ELSE resolved_path END AS name,
    CASE WHEN arg3 & 32 != 0 THEN 0 ELSE arg5 END AS "offset"
FROM syscalls
WHERE syscall = 'mmap' AND (ret > 0 OR ret < -4095) AND arg3 & 1 != 0
    AND pid IS NOT NULL AND ts_ns IS NOT NULL AND arg1 IS NOT NULL AND arg5 IS NOT NULL
ORDER BY "at", event_id
