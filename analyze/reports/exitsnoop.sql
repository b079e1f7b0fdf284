WITH ended AS (
{% if per_thread %}
    SELECT
        t.tid, t.pid, t.comm, first.start_ns, t.end_ns,
        coalesce(left_by.code, p.exit_code) AS exit_code,
        p.signal, p.ppid, p.uid
    FROM threads AS t
    -- a row that ends where the next one of the thread begins is a name that it gave up
    ANTI JOIN threads AS later ON later.tid = t.tid AND later.pid = t.pid AND later.start_ns = t.end_ns
    LEFT JOIN (SELECT tid, pid, min(start_ns) AS start_ns, max(end_ns) AS end_ns FROM threads GROUP BY tid, pid) AS first
        ON first.tid = t.tid AND first.pid = t.pid
    LEFT JOIN (
        SELECT tid, max_by(arg0 & 255, ts_ns)::INTEGER AS code FROM syscalls WHERE syscall = 'exit' GROUP BY tid
    ) AS left_by ON left_by.tid = t.tid
    LEFT JOIN processes AS p ON p.pid = t.pid AND coalesce(p.start_ns, 0) <= t.end_ns AND coalesce(p.end_ns, t.end_ns) >= t.end_ns
{% else %}
    SELECT pid AS tid, pid, comm, start_ns, end_ns, exit_code, signal, ppid, uid FROM processes
{% endif %}
)
SELECT
    -- when it ended, wall clock (UTC)
    make_timestamp_ns(end_ns + {{ wall_offset_ns }}) AS ts,
    -- last name of the thread
    comm,
    -- process id
    pid,
    -- its parent when it was first seen
    ppid,
    -- thread id
    tid,
    -- real user id
    uid & 4294967295 AS uid,
    -- seconds from its start to its end; NULL: it began before the recording
    (end_ns - start_ns) / 1e9 AS age_s,
    -- what it gave to exit; NULL: a signal ended it, or not known
    exit_code,
    -- the signal that ended it; NULL: none, or not known
    signal,
    -- name of the signal
    signal_name(signal) AS signal_name
FROM ended
WHERE end_ns IS NOT NULL AND {{ where }}
{% if failed %}
    AND (exit_code != 0 OR signal IS NOT NULL)
{% endif %}
ORDER BY end_ns, tid
{% if top %}
LIMIT {{ top }}
{% endif %}
