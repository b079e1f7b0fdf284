chosen_frames AS (
    SELECT stack_id, depth, symbol, module, module_address, file, line
    FROM frames
    WHERE stack_id IN ({{ wanted }})
),
functions AS (
    SELECT symbol, demangled(symbol) AS shown
    FROM (SELECT DISTINCT symbol FROM chosen_frames WHERE symbol IS NOT NULL)
),
paths AS (
    SELECT stack_id, list({{ frame }} ORDER BY depth) AS frames
    FROM chosen_frames
    LEFT JOIN functions USING (symbol)
    GROUP BY stack_id
)
