INSERT INTO computed.stack_texts
WITH functions AS (
    SELECT symbol, demangled(symbol) AS shown FROM (SELECT DISTINCT symbol FROM frames WHERE symbol IS NOT NULL)
),
texts AS (
    SELECT
        stack_id,
        depth,
        CASE
            WHEN symbol IS NOT NULL AND ({{ line }}) THEN {{ with_line }}
            WHEN symbol IS NOT NULL
                THEN concat(shown, printf('+0x%x', coalesce(symbol_offset, 0)), ' (' || {{ module }} || ')')
            WHEN module_address IS NOT NULL THEN {{ module }} || printf('+0x%x', module_address)
            ELSE concat(printf('0x%x', ip), ' (' || {{ module }} || ')')
        END AS text
    FROM frames
    LEFT JOIN functions USING (symbol)
)
-- a name must not look like two frames
SELECT stack_id, string_agg(replace(text, chr(10), '\x0a'), chr(10) ORDER BY depth)
FROM texts
GROUP BY stack_id
