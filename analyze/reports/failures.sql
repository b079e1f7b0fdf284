WITH {{ given }},
calls AS NOT MATERIALIZED (
    SELECT
        pid, tid, uid, comm, syscall, ret, errno, ts_ns, path, path2, resolved_path, resolved_path2, path_status,
        {{ object }} AS named
    FROM syscalls
    LEFT JOIN given ON given.event_id = syscalls.event_id
),
failures AS (
    SELECT
        pid, syscall, errno, named,
        min(path) AS path,
        any_value(path_status) AS path_status,
        -- whether they are one is seen by the first and the last, which is faster than to count them
        min(comm) AS comm,
        max(comm) AS last_comm,
        min(uid) AS uid,
        max(uid) AS last_uid,
        count(*) AS count,
        min(ts_ns) AS first_ns,
        max(ts_ns) AS last_ns
    FROM calls
    WHERE failed(ret) AND {{ where }}
    GROUP BY ALL
),
successes AS (
    SELECT pid, syscall, {{ object }} AS named, max(ts_ns) AS last_ns
    FROM (
        SELECT c.*
        FROM (
            SELECT event_id, pid, syscall, ts_ns, path, path2, resolved_path, resolved_path2
            FROM syscalls
            WHERE ret IS NOT NULL AND errno IS NULL AND {{ later }}
        ) AS c
        -- texts are made of no more calls than can matter
        JOIN (SELECT pid, syscall, min(last_ns) AS least_ns FROM failures GROUP BY pid, syscall) AS f
            ON f.pid = c.pid AND f.syscall = c.syscall AND c.ts_ns > f.least_ns
    ) AS tried
    LEFT JOIN given ON given.event_id = tried.event_id
    GROUP BY ALL
)
-- A row of failures is one process, so to count rows is to count processes.
SELECT
    -- how many calls failed like this
    sum(f.count)::BIGINT AS count,
    -- name of the system call
    f.syscall,
    -- name of the error
    f.errno,
    -- path as passed; NULL: the call takes none, or it is not known
    min(f.path) AS path,
    -- number of processes it failed in
    count(f.pid) AS processes,
    -- entry of the first of them, wall clock (UTC)
    make_timestamp_ns(min(f.first_ns) + {{ wall_offset_ns }}) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    make_timestamp_ns(max(f.last_ns) + {{ wall_offset_ns }}) AS last_ts,
    -- whether in each of the processes the same call, about the same object, succeeded after its last failure
    count(*) FILTER (s.last_ns > f.last_ns) = count(*) AS succeeded_later,
    -- in how many of the processes it did
    count(*) FILTER (s.last_ns > f.last_ns) AS processes_succeeded,
    -- what it was about: absolute path, peer of a socket, pipe ...; the path as passed if that is all that is known
    nullif(f.named, '') AS object,
    -- NULL: path is whole, or the call takes none; else why it is not
    any_value(f.path_status) AS path_status,
    -- the process; NULL: several
    CASE WHEN count(f.pid) = 1 THEN any_value(f.pid) END AS pid,
    -- name of the thread; NULL: several names, or not known
    CASE WHEN min(f.comm) = max(f.last_comm) THEN min(f.comm) END AS comm,
    -- real user id; NULL: several
    CASE WHEN min(f.uid) = max(f.last_uid) THEN min(f.uid) & 4294967295 END AS uid,
    -- whether the error says "not yet" and no more: such rows stand last
    coalesce(
        f.errno IN ('EAGAIN', 'EINPROGRESS', 'EALREADY') OR (f.errno = 'ETIMEDOUT' AND starts_with(f.syscall, 'futex')),
        FALSE
    ) AS not_yet
FROM failures AS f
LEFT JOIN successes AS s ON s.pid = f.pid AND s.syscall = f.syscall AND s.named = f.named
GROUP BY f.syscall, f.errno, f.named{% if process %}, f.pid{% endif %}

ORDER BY not_yet, count DESC, first_ts, f.syscall, f.errno, f.named
{% if top %}
LIMIT {{ top }}
{% endif %}
