-- What was copied for an argument, joined to the row s of a call, and its columns and texts where they are short.

-- part: join_row
LEFT JOIN main.$table AS $row ON $row.event_id = s.event_id AND $row.arg = $index

-- An array as one row: lists of its words, and why the rest of it is missing.
-- part: join_array
LEFT JOIN (
    SELECT
        event_id,
        list(word0 ORDER BY position) FILTER (WHERE status IS NULL) AS first,
        list(word1 ORDER BY position) FILTER (WHERE status IS NULL) AS second,
        sum(word1) FILTER (WHERE status IS NULL) AS total,
        max(status) AS status
    FROM main.arrays
    WHERE arg = $index AND kind = $kind AND phase = $phase
    GROUP BY event_id
) AS $row ON $row.event_id = s.event_id

-- A vector of strings as one row.
-- part: join_strings
LEFT JOIN (
    SELECT
        event_id,
        arg,
        list(value ORDER BY position) FILTER (WHERE value IS NOT NULL) AS strings,
        max(status) FILTER (WHERE value IS NULL) AS status,
        string_agg(
            CASE
                WHEN value IS NOT NULL THEN quoted_text(value, status)
                WHEN status = 'truncated' THEN '...'
                WHEN status = 'unreadable' THEN '???'
            END,
            ', ' ORDER BY position
        ) AS texts
    FROM main.exec_args
    GROUP BY ALL
) AS $row ON $row.event_id = s.event_id AND $row.arg = $index

-- part: column
$row.$column

-- part: where_whole
CASE WHEN $row.status IS NULL THEN $value END

-- The text of an array whose elements are a list of texts; $empty: when it has none, of which no row tells.
-- part: array_text
CASE
    WHEN $row.first IS NOT NULL
    THEN
        '['
        || array_to_string(
            list_concat(
                $elements,
                CASE $row.status WHEN 'truncated' THEN ['...'] WHEN 'unreadable' THEN ['???'] ELSE [] END
            ),
            ', '
        )
        || ']'
    WHEN $empty THEN '[]'
END

-- part: array_is_empty
$row.status IS NULL AND $size = 0 AND $pointer != 0

-- part: strings_text
CASE WHEN $row.strings IS NOT NULL THEN '[' || $row.texts || ']' END

-- part: string_text
quoted_text($row.value, $row.status)

-- part: data_text
CASE
    WHEN $row.bytes IS NOT NULL
    THEN bytes_text($row.bytes) || CASE WHEN $row.status = 'truncated' THEN '...' ELSE '' END
    WHEN $size = 0 AND $pointer != 0 THEN '""'
END

-- part: family
address_family($row.family)

-- part: sockaddr_text
sockaddr_text($row.family, $row.address, $row.port, $row.extra, $row.status)

-- part: timespec_member
CAST(CAST($row.$member AS HUGEINT) & $all_bits AS UBIGINT)
