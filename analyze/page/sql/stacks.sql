SELECT stack_id, stack_text(stack_id)
FROM (
    SELECT s.stack_id
    FROM page_kept
    JOIN syscalls AS s USING (event_id)
    WHERE s.stack_id IS NOT NULL
    GROUP BY s.stack_id
    ORDER BY count(*) DESC, s.stack_id
    LIMIT {{ most }}
)
