SELECT s.*, quoted.argv
FROM main.syscalls AS s
LEFT JOIN (
    SELECT
        event_id,
        arg,
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
    GROUP BY event_id, arg
) AS quoted ON quoted.event_id = s.event_id AND quoted.arg = if(s.syscall = 'execve', 1, 2)
WHERE s.syscall IN ('execve', 'execveat')
