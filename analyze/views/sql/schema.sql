SELECT
    -- name to use in SQL
    CASE schema_name WHEN 'main' THEN table_name ELSE schema_name || '.' || table_name END AS view,
    -- column of it
    column_name AS "column",
    -- its SQL type
    data_type AS type,
    -- what it holds
    comment
FROM duckdb_columns()
WHERE NOT internal AND schema_name IN ('main', 'sys')
{% if view %}
    AND lower({{ view }}) IN (lower(table_name), lower(schema_name || '.' || table_name))
{% endif %}
ORDER BY schema_name, table_name, column_index
