SELECT
    -- number of the specifier, from 1
    probe,
    -- number of the interval, from 1
    "interval",
    -- the specifier
    spec,
    -- count: the value
    event,
    -- histogram: what is in it
    "key",
    -- histogram: least value of the slot
    low,
    -- histogram: greatest value of the slot
    high,
    -- calls with it
    "count"
FROM (
{% for p in probes %}
{% if not loop.first %}
    UNION ALL
{% endif %}
    SELECT
        {{ p.n }} AS probe,
        "interval",
        {{ p.spec }} AS spec,
{% if p.histogram %}
        CAST(NULL AS VARCHAR) AS event,
        {{ p.key }} AS "key",
        CAST(CASE slot WHEN 1 THEN 0 ELSE 1::HUGEINT << (slot - 1) END AS UBIGINT) AS low,
        CAST((1::HUGEINT << slot) - 1 AS UBIGINT) AS high,
{% else %}
        event,
        CAST(NULL AS VARCHAR) AS "key",
        CAST(NULL AS UBIGINT) AS low,
        CAST(NULL AS UBIGINT) AS high,
{% endif %}
{% if p.histogram %}
        CAST(NULL AS BIGINT) AS place,
{% else %}
        row_number() OVER (
            PARTITION BY "interval"
            ORDER BY count(*){% for _ in p["keys"] %}, min(key{{ loop.index0 }}){% endfor %}, event
        ) AS place,
{% endif %}
        count(*) AS "count"
    FROM (
        SELECT
            CAST({{ p.interval }} AS BIGINT) AS {{ ident("since" if cumulative else "interval") }},
{% if p.histogram %}
            CAST(length(bin({{ p.value }})) AS INTEGER) AS slot
{% else %}
{% for value in p["keys"] %}
            {{ value }} AS key{{ loop.index0 }},
{% endfor %}
            {{ p.event }} AS event
{% endif %}
        FROM {{ p.source }}
{% for join in p.joins %}
        {{ join }}
{% endfor %}
        WHERE {{ p.where }}
    )
{% if cumulative %}
    JOIN range(1, {{ intervals + 1 }}) AS numbers("interval") ON since <= "interval"
{% endif %}
{% if p.histogram %}
    WHERE slot IS NOT NULL
{% endif %}
    GROUP BY "interval", {{ ident("slot" if p.histogram else "event") }}
{% if top is not none and not p.histogram %}
    QUALIFY count(*) OVER (PARTITION BY "interval") - place < {{ top }}
{% endif %}
{% endfor %}
)
ORDER BY "interval", probe, low, place
