SELECT
    chosen.event_id,
    {{ words }} AS call
FROM chosen
JOIN syscalls AS s ON s.event_id = chosen.event_id
LEFT JOIN (
    {{ rows }}
) AS texts ON texts.event_id = chosen.event_id
