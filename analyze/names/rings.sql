-- When processes had their first io_uring; times are 2 * ns.
SELECT pid, min("at") AS "at"
FROM (
    SELECT pid, 2 * (ts_ns + duration_ns) AS "at" FROM world_calls WHERE syscall = 'io_uring_setup' AND ret >= 0
    UNION ALL
    SELECT pid, {{ BEFORE }} FROM descriptors WHERE target = 'anon_inode:[io_uring]'
)
WHERE pid IS NOT NULL
GROUP BY pid
