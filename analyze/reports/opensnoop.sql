-- materialized, it would hold every open with all its columns
WITH calls AS NOT MATERIALIZED (
    SELECT
        event_id, ts, ts_ns, duration_ns, pid, tid, comm, uid, syscall, ret, errno, path, path_status,
{% if full_path %}
        resolved_path,
{% endif %}
{% if by_path %}
        path2, resolved_path2,
{% endif %}
        -- bcc's clock: microseconds, when the call returned
        (ts_ns + duration_ns) // 1000 AS end_us,
        CASE syscall
            WHEN 'open' THEN arg1
            WHEN 'openat' THEN arg2
            WHEN 'creat' THEN {{ creat_flags }}
            WHEN 'openat2' THEN how.word0
        END & 4294967295 AS flags,
        CASE syscall
            WHEN 'open' THEN arg2
            WHEN 'openat' THEN arg3
            WHEN 'creat' THEN arg1
            WHEN 'openat2' THEN how.word1
        END & 65535 AS mode
    FROM syscalls
    LEFT JOIN (
        SELECT event_id, word0, word1 FROM structs WHERE kind = 'open_how'
    ) AS how USING (event_id)
    WHERE syscall IN {{ opens }} AND ret IS NOT NULL
),
-- a star would have the names of all files computed
opens AS NOT MATERIALIZED (
    SELECT
        event_id, ts, pid, tid, comm, uid, syscall, ret, errno, path, path_status, end_us, flags, mode
{% if full_path %}
        , resolved_path
{% endif %}
    FROM calls
    WHERE {{ where }}
)
SELECT
    -- the call, in syscalls
    event_id,
    -- entry, wall clock (UTC)
    ts,
    -- seconds from the return of the first open to the return of this one
    (end_us - (SELECT min(end_us) FROM opens)) / 1e6 AS time_s,
    -- process id
    pid,
    -- thread id
    tid,
    -- name of the thread
    comm,
    -- real user id
    uid & 4294967295 AS uid,
    -- which of the calls that open files
    syscall,
    -- what it returned: a file descriptor, or -errno
    ret,
    -- name of the error; NULL: it worked
    errno,
    -- flags, O_RDONLY and so on; NULL where those of openat2 could not be read
    flags,
    -- mode of a file that it creates; NULL: it creates none
    CASE WHEN flags & {{ creating_flags }} != 0 THEN mode END AS mode,
    -- path as passed; NULL: see path_status
    path,
    -- NULL: path is whole; else why it is not
    path_status
{% if full_path %}
    -- absolute path; NULL: it is not known where path starts
    , resolved_path
{% endif %}
FROM opens
WHERE {{ shown }}
ORDER BY event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
