SELECT
    -- events missing; NULL: none
    sum(count) AS count,
    -- what happened to them
    string_agg(DISTINCT kind, ', ' ORDER BY kind) AS kinds,
    -- what would have kept them
    string_agg(DISTINCT remedy, '; ' ORDER BY remedy) AS remedies
FROM losses
WHERE severity = 'data_loss'
