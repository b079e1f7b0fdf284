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
        chr(1), coalesce(symbol, ''), coalesce(module, ''), coalesce(source, ''), coalesce(file, ''), coalesce(line, -1), module_address
    ) AS key
FROM chosen;

CREATE OR REPLACE TEMP TABLE flame_functions AS
SELECT row_number() OVER () - 1 AS number, *, demangled(symbol) AS shown
FROM (
    -- the key says all the rest
    SELECT
        key,
        any_value(symbol) AS symbol,
        any_value(module) AS module,
        any_value(module_address) AS module_address,
        any_value(source) AS source,
        any_value(file) AS file,
        any_value(line) AS line
    FROM flame_frames
    GROUP BY key
)
