WITH counted AS (
    SELECT
        {{ interval }} AS "interval",
        tid,
        any_value(comm) AS comm,
        count(*) FILTER (syscall IN {{ reading }}) AS reads,
        count(*) FILTER (syscall IN {{ writing }}) AS writes,
        coalesce(sum(greatest(ret, 0)) FILTER (syscall IN {{ reading }}), 0)::BIGINT AS bytes_read,
        coalesce(sum(greatest(ret, 0)) FILTER (syscall IN {{ writing }}), 0)::BIGINT AS bytes_written,
        resolved_path AS file
    FROM syscalls
    WHERE syscall IN {{ moving }} AND ret IS NOT NULL AND {{ where }}
{% if not all_files %}
        AND starts_with(resolved_path, '/')
{% endif %}
{% if directory is not none %}
        AND starts_with(resolved_path, {{ directory }})
        AND NOT contains(substr(resolved_path, length({{ directory }}) + 1), '/')
{% endif %}
    GROUP BY "interval", tid, resolved_path
)
SELECT
    -- number of the interval, from 1
    "interval",
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- calls that read
    reads,
    -- calls that wrote
    writes,
    -- bytes read
    bytes_read,
    -- bytes written
    bytes_written,
    -- R: a file, S: a socket, O: another thing
    CASE
        WHEN starts_with(file, '/') THEN 'R'
        WHEN regexp_matches(file, '^(TCP|UDP|UNIX|unix|socket|NETLINK|RAW|ICMP|SCTP)') THEN 'S'
        ELSE 'O'
    END AS kind,
    -- the file: its absolute name, or what it is
    file
FROM counted
{% if top %}
QUALIFY row_number() OVER (PARTITION BY "interval" ORDER BY {{ sort }} DESC, tid, file) <= {{ top }}
{% endif %}
ORDER BY "interval", {{ sort }} DESC, tid, file
