-- The calls that the timeline has one by one: the longest, and of the failures one of each kind and others of all times.
CREATE OR REPLACE TEMP TABLE page_kept AS
WITH mine AS (
    SELECT
        event_id, ts_ns, tid, syscall, errno, path, ret,
        CASE WHEN unfinished = 'recording-stopped' THEN {{ stop_ns }}::HUGEINT - ts_ns ELSE coalesce(duration_ns, 0) END AS took_ns
    FROM syscalls
    WHERE {{ where }}
),
failures AS (
    SELECT event_id, ts_ns, row_number() OVER (PARTITION BY tid, syscall, errno, path ORDER BY ts_ns, event_id) AS place
    FROM mine
    WHERE failed(ret)
)
(SELECT event_id FROM failures ORDER BY least(place, 2), event_id::HUGEINT * 2654435761 % 4294967296 LIMIT {{ failures }})
UNION
(SELECT event_id FROM mine ORDER BY took_ns DESC, event_id LIMIT {{ longest }})
