-- The stacks of calls, for lookups by event_id.
SELECT event_id, stack_id FROM syscalls
WHERE stack_id IS NOT NULL AND event_id IS NOT NULL
ORDER BY event_id
