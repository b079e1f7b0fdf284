-- Vectors of buffers: $row has their addresses (first) and lengths (second), $contents what was in them, one behind the other.

-- The kernel refuses lengths whose sum it cannot count.
-- part: bytes
CASE WHEN $row.status IS NULL
THEN CASE WHEN $none THEN 0 ELSE CASE WHEN $row.total <= $most THEN CAST($row.total AS UBIGINT) END END
END

-- part: count
CASE WHEN $row.status IS NULL THEN CASE WHEN $none THEN 0 ELSE len($row.first) END END

-- part: status
coalesce($row.status, CASE WHEN $row.total > $most THEN 'overflow' END)

-- part: texts
[
    '{iov_base=' || $base || ', iov_len=' || list_extract($row.second, i) || '}'
    FOR i IN range(1, CAST(len($row.first) AS BIGINT) + 1)
]

-- part: address
list_extract($row.first, i)

-- part: bytes_before
coalesce(list_sum($row.second[:i - 1]), 0)

-- $moved: the bytes that the call gave back, which is all that it filled; NULL for those that it took.
-- part: bytes_held
least(list_extract($row.second, i), greatest(coalesce($moved, $unbounded) - $before, 0))

-- Lengths can be any number; as much as $most is never copied.
-- part: digits
hex($contents.bytes)[
    CAST(least(2 * $before + 1, $most) AS BIGINT):CAST(least(2 * ($before + $held), $most) AS BIGINT)
]

-- part: contents_or_address
CASE
    WHEN $contents.bytes IS NULL OR list_extract($row.first, i) = 0 THEN $address
    ELSE bytes_text(unhex($digits)) || CASE WHEN length($digits) < 2 * $held THEN '...' ELSE '' END
END

-- part: moved
greatest(s.ret, 0)
