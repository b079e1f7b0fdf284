WITH executed AS (
    SELECT s.event_id, s.ts_ns, s.duration_ns, s.pid, s.uid, s.comm, s.path, s.ret, s.errno, s.syscall, s.cpu
    FROM syscalls AS s
    WHERE s.syscall IN ('execve', 'execveat') AND s.ret IS NOT NULL AND {{ where }}
),
arguments AS (
    SELECT event_id, arg, list(coalesce(value, '...') ORDER BY position) AS words
    FROM exec_args
    WHERE event_id IN (SELECT event_id FROM executed)
    GROUP BY event_id, arg
),
parents AS (
    SELECT pid, ppid, comm, coalesce(start_ns, 0) AS start_ns FROM processes
)
SELECT
    -- the call, in syscalls
    e.event_id,
    -- when it returned, wall clock (UTC)
    make_timestamp_ns(e.ts_ns + e.duration_ns + {{ wall_offset_ns }}) AS ts,
    -- the same, in seconds from the start of the recording
    (e.ts_ns + e.duration_ns - {{ start_ns }}) / 1e9 AS time_s,
    -- real user id
    e.uid & 4294967295 AS uid,
    -- name of the thread: of the new program, or if that failed, the old one
    CASE WHEN e.ret = 0 THEN left(regexp_replace(e.path, '^.*/', ''), 15) ELSE e.comm END AS comm,
    -- process id
    e.pid,
    -- its parent when it was first seen; NULL: not known
    parents.ppid,
    -- what the call returned: 0, or -errno
    e.ret,
    -- path as passed
    e.path,
    -- the arguments, the program's name first; NULL: they were not read
    arguments.words AS args,
    -- the CPU that the call began on
    e.cpu,
    -- last name of the parent; NULL: not known
    parent.comm AS parent_comm
FROM executed AS e
LEFT JOIN arguments ON arguments.event_id = e.event_id AND arguments.arg = if(e.syscall = 'execve', 1, 2)
ASOF LEFT JOIN parents ON parents.pid = e.pid AND e.ts_ns + e.duration_ns >= parents.start_ns
ASOF LEFT JOIN parents AS parent ON parent.pid = parents.ppid AND e.ts_ns + e.duration_ns >= parent.start_ns
WHERE TRUE
{% if not fails %}
    AND e.ret = 0
{% endif %}
{% if comm is not none %}
    AND regexp_matches(CASE WHEN e.ret = 0 THEN left(regexp_replace(e.path, '^.*/', ''), 15) ELSE e.comm END, {{ comm }})
{% endif %}
{% if line is not none %}
    AND regexp_matches(array_to_string(arguments.words, ' '), {{ line }})
{% endif %}
{% if ppid is not none %}
    AND parents.ppid = {{ ppid }}
{% endif %}
ORDER BY e.ts_ns + e.duration_ns, e.event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
