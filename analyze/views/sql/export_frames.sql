SELECT stack_id, symbol, module, coalesce(module_address, ip) AS address
FROM frames
WHERE stack_id IN (
    SELECT stack_id FROM syscalls WHERE stack_id IS NOT NULL AND {{ calls }}
    UNION ALL
    SELECT unnest([stack_id, kernel_stack_id]) FROM samples WHERE {{ samples }}
    UNION ALL
    SELECT kernel_stack_id FROM sched WHERE {{ samples }}
)
ORDER BY stack_id, depth
