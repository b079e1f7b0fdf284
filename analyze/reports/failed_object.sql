-- what a call is about, in a query that joins given
concat_ws(
    ' -> ',
    CASE
        WHEN path IS NOT NULL THEN coalesce(resolved_path, path)
        WHEN regexp_matches(resolved_path, {{ internet }}) THEN {{ peer }}
        ELSE coalesce(given.address, resolved_path)
    END,
    coalesce(resolved_path2, path2)
)
