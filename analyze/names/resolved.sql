INSERT INTO computed.resolved
SELECT
    coalesce(a.event_id, b.event_id), a.name, a.is_path, b.name, b.is_path, coalesce(a.reason, b.reason)
FROM (SELECT event_id, name, is_path, reason FROM world_found WHERE place = 0) AS a
FULL JOIN (SELECT event_id, name, is_path, reason FROM world_found WHERE place = 1) AS b ON a.event_id = b.event_id;
DROP TABLE world_found;
DROP TABLE world_uses
