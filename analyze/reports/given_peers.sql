-- addresses that calls were given, or gave
given AS (
    SELECT
        event_id,
        CASE family WHEN 1 THEN 'unix' END AS protocol,
        CASE family
            WHEN 1 THEN nullif(address, '')
            WHEN 2 THEN address || ':' || port
            WHEN 10 THEN '[' || address || ']:' || port
        END AS peer
    FROM sockaddrs
    WHERE family IN (1, 2, 10)
)
