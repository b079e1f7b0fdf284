CREATE OR REPLACE TEMP TABLE world_texts AS
SELECT row_number() OVER (ORDER BY text) - 1 AS id, text
FROM (SELECT DISTINCT text FROM world_changes WHERE text IS NOT NULL)
