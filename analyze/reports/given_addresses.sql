-- addresses that calls were given
given AS (
    SELECT
        event_id,
        CASE family
            WHEN 1 THEN 'unix:' || nullif(address, '')
            WHEN 2 THEN address || ':' || port
            WHEN 10 THEN '[' || address || ']:' || port
        END AS address
    FROM sockaddrs
    WHERE family IN (1, 2, 10)
)
