CREATE OR REPLACE TEMP TABLE flame_frames AS
WITH chosen AS (
    SELECT
        stack_id,
        depth,
        symbol,
        module,
        -- all addresses of a function are the same frame
        CASE WHEN symbol IS NULL THEN module_address END AS module_address,
        CASE WHEN source IN ('fp', 'kernel') THEN source END AS source,
{% if lines %}
        file,
        line
{% else %}
        NULL::VARCHAR AS file,
        NULL::INTEGER AS line
{% endif %}
    FROM frames
    WHERE stack_id IN (SELECT unnest([user_stack_id, kernel_stack_id]) FROM flame_rows)
)
SELECT
    *,
    concat_ws(
        chr(1), coalesce(symbol, ''), coalesce(module, ''), coalesce(source, ''), coalesce(file, ''), line, module_address
    ) AS key
FROM chosen;

CREATE OR REPLACE TEMP TABLE flame_functions AS
SELECT row_number() OVER () - 1 AS number, *
FROM (
    SELECT key, symbol, any_value(demangled(symbol)) AS shown, module, module_address, source, file, line
    FROM flame_frames
    GROUP BY ALL
)
