-- Some imported samples have a thread alone.
SELECT ts_ns, coalesce(pid, tid) AS pid, tid, cpu, stack_id, kernel_stack_id
FROM samples
WHERE ts_ns IS NOT NULL AND tid IS NOT NULL
    AND (stack_id IS NOT NULL OR kernel_stack_id IS NOT NULL)
    AND {{ samples }}
ORDER BY ts_ns
