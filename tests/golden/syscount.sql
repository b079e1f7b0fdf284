SELECT
    -- name of the system call
    s.syscall,
    -- calls that returned
    count(*) AS count
FROM syscalls AS s
WHERE s.ret IS NOT NULL AND s."pid" = 4242 AND failed(s.ret)
GROUP BY ALL
ORDER BY count DESC, s.syscall
LIMIT 10
