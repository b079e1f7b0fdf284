-- A damaged trace can lack what every change has; a change that lacks its name is one to something unknown.
SELECT
    CASE WHEN t.id IS NULL AND kind IN ({{ NAMED }}, {{ SOCKET }}, {{ OPENED }}) THEN {{ UNKNOWN }} ELSE kind END::TINYINT AS kind,
    event_id, {{ caller }} AS caller, fd, "at", source, entered, close_on_exec, snapshot, no_links::TINYINT AS no_links,
    reason::TINYINT AS reason, t.id AS text
FROM world_changes AS c
LEFT JOIN world_texts AS t ON t.text = c.text
WHERE pid IS NOT NULL AND fd IS NOT NULL AND "at" IS NOT NULL
-- Of changes at one moment the order is that of the calls' ends.
ORDER BY "at" ASC NULLS LAST, event_id ASC NULLS LAST
