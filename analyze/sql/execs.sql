SELECT s.*, quoted.argv
FROM main.syscalls AS s
LEFT JOIN (
    SELECT
        event_id,
        string_agg(
            CASE
                WHEN value IS NULL THEN '...'
                WHEN regexp_full_match(value, '[A-Za-z0-9_@%+=:,./-]+') THEN value
                ELSE '''' || replace(value, '''', '''"''"''') || ''''
            END,
            ' '
            ORDER BY position
        ) AS argv
    FROM main.exec_args
    GROUP BY event_id
) AS quoted USING (event_id)
WHERE s.syscall IN ('execve', 'execveat')
