SELECT
{% if interval is not none %}
    -- number of the interval, from 1
    {{ interval }} AS "interval",
{% endif %}
{% if process %}
    -- process id
    s.pid,
    -- last name of its main thread; NULL: not known
    any_value(p.comm) AS comm,
{% else %}
    -- name of the system call
    s.syscall,
{% endif %}
    -- calls that returned
    count(*) AS count
{% if latency %}
    -- ns spent in them, together
    , sum(s.duration_ns)::BIGINT AS total_ns
{% endif %}
FROM syscalls AS s
{% if process %}
LEFT JOIN (
    -- a pid used twice is its last process
    SELECT pid, max_by(comm, coalesce(start_ns, 0)) AS comm FROM processes GROUP BY pid
) AS p ON p.pid = s.pid
{% endif %}
WHERE {{ where }}
{% if interval is not none %}
GROUP BY "interval", {{ key }}
{% if top %}
QUALIFY row_number() OVER (PARTITION BY "interval" ORDER BY {{ total }} DESC, {{ key }}) <= {{ top }}
{% endif %}
ORDER BY "interval", {{ measure }} DESC, {{ key }}
{% else %}
GROUP BY ALL
ORDER BY {{ measure }} DESC, {{ key }}
{% if top %}
LIMIT {{ top }}
{% endif %}
{% endif %}
