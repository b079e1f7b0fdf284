split_part(resolved_path, ' ', 1) || coalesce(
    ' ' || coalesce(
        given.address,
        -- the local end of a connection is a new one each time
        nullif(CASE WHEN contains(resolved_path, '->') THEN split_part(resolved_path, '->', 2) END, '?'),
        nullif(split_part(resolved_path, ' ', 2), '')
    ),
    ''
)
