-- What belongs to the calls that stay.
CREATE OR REPLACE TEMP TABLE share_events AS
SELECT event_id FROM syscalls WHERE {{ calls }};

CREATE OR REPLACE TEMP TABLE share_moments AS
SELECT pid, tid, ts_ns FROM syscalls WHERE {{ calls }}
{% for table, condition in beside %}
UNION ALL
SELECT pid, tid, ts_ns FROM {{ table }} WHERE {{ condition }}
{% endfor %};

CREATE OR REPLACE TEMP TABLE share_stacks AS
SELECT DISTINCT stack_id
FROM (
    SELECT stack_id FROM syscalls WHERE {{ calls }}
{% for table, columns, condition in having_stacks %}
    UNION ALL
    SELECT unnest({{ columns }}) FROM {{ table }} WHERE {{ condition }}
{% endfor %}
)
WHERE stack_id IS NOT NULL;

-- Lives of processes that something stays of, and of threads, which have a life for each of their names. What is seen
-- before the first life of an id begins is of that life.
{% for table, id in lives %}
CREATE OR REPLACE TEMP TABLE share_{{ table }} AS
WITH lives AS (
    SELECT
        {{ id }},
        if(row_number() OVER life = 1, -9223372036854775808, start_ns) AS since,
        coalesce(lead(start_ns) OVER life, 9223372036854775807) AS until
    FROM {{ table }}
    WINDOW life AS (PARTITION BY {{ id }} ORDER BY start_ns NULLS FIRST)
)
SELECT DISTINCT lives.*
FROM share_moments AS m
ASOF JOIN lives ON lives.{{ id }} = m.{{ id }} AND m.ts_ns >= lives.since;

{% endfor %}

CREATE OR REPLACE TEMP TABLE share_jit AS
SELECT DISTINCT stacks.pid, frames.ip
FROM frames
JOIN stacks ON stacks.stack_id = frames.stack_id
WHERE frames.stack_id IN (SELECT stack_id FROM share_stacks) AND frames.module LIKE 'perf-%.map';

-- Files that a mapping or a frame which stays is of, and those that their contents are in.
CREATE OR REPLACE TEMP TABLE share_binaries AS
WITH wanted AS (
    SELECT binary_id, status
    FROM binaries
    WHERE build_id IN (
            SELECT build_id FROM mappings WHERE pid IN (SELECT pid FROM share_processes)
            UNION
            SELECT build_id FROM frames WHERE stack_id IN (SELECT stack_id FROM share_stacks)
        )
        OR path IN (SELECT path FROM mappings WHERE pid IN (SELECT pid FROM share_processes))
)
SELECT binary_id FROM wanted
UNION
SELECT try_cast(regexp_extract(status, '^same-as-(\d+)$', 1) AS INTEGER) FROM wanted WHERE status IS NOT NULL;
