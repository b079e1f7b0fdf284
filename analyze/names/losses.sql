-- Stretches of time in which calls were lost, of a process (-1: of any); times are 2 * ns.
SELECT
    coalesce(pid, -1) AS pid,
    coalesce(2 * ts_ns, {{ BEFORE }}) AS first,
    coalesce(2 * until_ns, {{ FOREVER }}) AS last
FROM losses
WHERE severity = 'data_loss'
