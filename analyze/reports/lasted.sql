-- how many of some calls have a path, and the ns that these and the others lasted
count(*) FILTER (path IS NOT NULL) AS path_calls,
sum(CASE WHEN unfinished = 'recording-stopped' THEN {{ stop_ns }} - ts_ns ELSE coalesce(duration_ns, 0) END)
    FILTER (path IS NOT NULL) AS path_ns,
sum(CASE WHEN unfinished = 'recording-stopped' THEN {{ stop_ns }} - ts_ns ELSE coalesce(duration_ns, 0) END)
    FILTER (path IS NULL) AS other_ns
