SELECT kind, pid, fd, "at", source, entered, close_on_exec, snapshot, no_links, reason, t.id AS text
FROM world_changes AS c
LEFT JOIN world_texts AS t ON t.text = c.text
-- Of changes at one moment the order is that of the calls' ends.
ORDER BY "at", event_id
