-- Descriptors that calls made, counted by process, call, stack and what they are; world_openings has their states.
WITH made AS (
    SELECT
        s.pid, s.comm, s.syscall, s.stack_id, s.ts_ns, o.name, o.state,
        CASE
            WHEN o.name IS NULL THEN NULL
            -- The end that is a new one for each connection says nothing.
            WHEN regexp_matches(o.name, {{ internet }}) AND contains(o.name, '->') THEN
                CASE WHEN starts_with(s.syscall, 'accept') THEN split_part(o.name, '->', 1) || '->*'
                    ELSE split_part(o.name, ' ', 1) || ' *->' || split_part(o.name, '->', 2) END
            WHEN starts_with(o.name, 'pipe:') THEN 'pipe'
            ELSE regexp_replace(o.name, '[0-9]+', '*', 'g')
        END AS pattern,
        CASE WHEN starts_with(o.name, '/') THEN regexp_extract(o.name, '^(.*/)[^/]*$', 1) || '*' END AS folder
    FROM world_openings AS o
    JOIN syscalls AS s ON s.event_id = o.event_id
    WHERE {{ where }}
        -- Others are in no group that is shown.
        AND o.pid IN (SELECT pid FROM world_openings WHERE state IN {{ kept }})
),
folded AS (
    SELECT * REPLACE (
        -- Many names in one folder that differ in more than numbers.
        CASE WHEN folder IS NOT NULL AND count(DISTINCT pattern) FILTER (state IN {{ kept }})
            OVER (PARTITION BY pid, syscall, stack_id, folder) > {{ most_names }} THEN folder ELSE pattern END AS pattern
    )
    FROM made
)
SELECT
    pid, comm, syscall, pattern, stack_id,
    min(name) AS first_name,
    max(name) AS last_name,
    any_value(name) FILTER (state IN {{ kept }}) AS example,
    count(*) AS opened,
    count(*) FILTER (state = 'open') AS open,
    count(*) FILTER (state = 'left') AS left_at_exit,
    count(*) FILTER (state = 'closed') AS closed,
    count(*) FILTER (state = 'unknown') AS unknown,
    min(ts_ns) FILTER (state IN {{ kept }}) AS first_ns,
    max(ts_ns) FILTER (state IN {{ kept }}) AS last_ns
FROM folded
GROUP BY pid, comm, syscall, pattern, stack_id
QUALIFY sum(count(*) FILTER (state IN {{ kept }})) OVER (PARTITION BY pid, comm, syscall, pattern) > 0
ORDER BY ALL
