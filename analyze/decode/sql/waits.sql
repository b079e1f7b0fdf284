-- Descriptors that were waited for: pollfds, epoll_events, sets of select(2). $row has them as they were passed, $found as they
-- were given back.

-- part: poll_fd
(list_extract($row.first, i) & 4294967295)

-- part: polled
[
    {
        'fd': CAST($fd AS INTEGER),
        'events': poll_events(list_extract($row.second, i)),
        'revents': poll_events(list_extract($found.second, i) >> 16)
    }
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
]

-- A negative descriptor is ignored.
-- part: polled_texts
[
    '{fd=' || $fd
    || CASE
        WHEN (list_extract($row.first, i) & 2147483648) != 0 THEN ''
        ELSE ', events=' || poll_events(list_extract($row.second, i))
    END
    || '}'
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
]

-- part: poll_found
'['
|| array_to_string(
    [
        '{fd=' || $fd || ', revents=' || poll_events(list_extract($row.second, i) >> 16) || '}'
        FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
        IF list_extract($row.second, i) >> 16 != 0
    ],
    ', '
)
|| ']'

-- part: epoll_events
[
    {'events': epoll_events(list_extract($row.first, i)), 'data': list_extract($row.second, i)}
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
]

-- part: epoll_texts
[
    '{events=' || epoll_events(list_extract($row.first, i))
    || ', data={u32=' || (list_extract($row.second, i) & 4294967295)
    || ', u64=' || list_extract($row.second, i) || '}}'
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
]

-- part: first_of
$texts[1]

-- The descriptors in an fd_set, as far as the call's first argument says that it goes.
-- part: descriptors
CASE WHEN $row.first IS NOT NULL
THEN flatten([
    [
        CAST((i - 1) * 64 + bit AS INTEGER)
        FOR bit IN range(64)
        IF (list_extract($row.first, i) >> CAST(bit AS UBIGINT)) & 1 = 1 AND (i - 1) * 64 + bit < s.arg0 & 2147483647
    ]
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
])
END

-- part: set_text
CASE WHEN $row.status IS NULL THEN '[' || array_to_string($descriptors, ' ') || ']' END

-- part: set_found
CASE WHEN len($descriptors) > 0 THEN $heading || array_to_string($descriptors, ' ') || ']' END

-- part: sets_found
nullif(concat_ws(', ', $sets), '')

-- What strace says behind the result.
-- part: remark
CASE WHEN s.ret = 0 THEN 'Timeout' WHEN s.ret > 0 THEN $found END
