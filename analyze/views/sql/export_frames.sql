SELECT stack_id, symbol, module, coalesce(module_address, ip) AS address
FROM frames
WHERE stack_id IS NOT NULL
ORDER BY stack_id, depth
