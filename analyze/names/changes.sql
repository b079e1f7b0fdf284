-- Changes of descriptors, working directories (fd -100) and roots (-101), one row each; times are 2 * ns, see __init__.py.
CREATE OR REPLACE TEMP TABLE world_changes AS
WITH
makers(syscall, name, argument, mask, open_how) AS (VALUES {{ makers }}),
opens AS (
    SELECT
        event_id, pid, tid, ret, path, path_status,
        2 * ts_ns AS entered,
        2 * (ts_ns + coalesce(duration_ns, 0)) AS ended,
        if(syscall = 'open', arg1, arg2) AS open_flags,
        if(syscall = 'open', {{ CWD }}, c_int(arg0)) AS start
    FROM syscalls
    WHERE syscall IN ('open', 'openat') AND ret BETWEEN 0 AND 2147483647
),
state AS (
    SELECT
        event_id, pid, tid, syscall, arg0, arg1, arg2, arg3, arg4, arg5, ret, path, path_status,
        2 * ts_ns AS entered,
        2 * (ts_ns + coalesce(duration_ns, 0)) AS ended
    FROM world_calls
    WHERE ret BETWEEN 0 AND 2147483647
),
made AS (
    SELECT
        s.event_id, pid, tid, syscall, arg0, arg1, arg2, ret, path, path_status, entered, ended, m.name,
        said.value AS said,
        CASE
            WHEN m.open_how THEN coalesce(h.word0 & {{ O_CLOEXEC }} != 0, FALSE)
            WHEN m.argument IS NULL THEN m.mask != 0
            ELSE [arg0, arg1, arg2, arg3, arg4, arg5][m.argument + 1] & m.mask != 0
        END AS close_on_exec,
        if(syscall = 'openat2', coalesce(h.word0, 0), 0) AS open_flags,
        CASE syscall WHEN 'openat2' THEN h.word2 ELSE 0 END AS resolve
    FROM state AS s
    JOIN makers AS m USING (syscall)
    LEFT JOIN structs AS h ON m.open_how AND h.event_id = s.event_id AND h.kind = 'open_how'
    LEFT JOIN strings AS said
        ON syscall IN ('memfd_create', 'mq_open') AND said.event_id = s.event_id AND said.arg = 0
        AND (said.status IS NULL OR said.status = 'not-utf8')
    WHERE NOT (syscall IN ('signalfd', 'signalfd4') AND c_int(arg0) != -1)
        AND NOT (syscall = 'landlock_create_ruleset' AND arg2 != 0)
        AND NOT (syscall = 'bpf' AND c_int(arg0) NOT IN {{ bpf_makers }})
),
paths AS (
    SELECT event_id, pid, tid, CAST(ret AS INTEGER) AS fd, entered, ended, open_flags & {{ O_CLOEXEC }} != 0 AS close_on_exec,
        open_flags, path, path_status, start, FALSE AS in_root, FALSE AS without_links, FALSE AS is_elsewhere
    FROM opens
    UNION ALL
    SELECT event_id, pid, tid, CAST(ret AS INTEGER), entered, ended, close_on_exec, open_flags, path, path_status,
        if(syscall = 'openat2', c_int(arg0), {{ CWD }}) AS start,
        coalesce(resolve & {{ RESOLVE_IN_ROOT }} != 0, FALSE) AS in_root,
        coalesce(resolve & {{ RESOLVE_NO_SYMLINKS }} != 0, FALSE) AS without_links,
        {{ leads_elsewhere }} AS is_elsewhere
    FROM made
    WHERE name = 'path'
    UNION ALL
    SELECT event_id, pid, tid, CASE syscall WHEN 'chdir' THEN {{ CWD }} ELSE {{ ROOT }} END, entered, ended, FALSE, 0,
        path, path_status, {{ CWD }}, FALSE, FALSE, FALSE
    FROM state
    WHERE syscall IN ('chdir', 'chroot')
),
pairs AS (
    SELECT s.event_id, pid, tid, syscall, arg0, arg1, arg2, entered, ended, unnest([c_int(p.word0), c_int(p.word0 >> 32)]) AS fd
    FROM state AS s
    JOIN structs AS p ON p.event_id = s.event_id AND p.kind = 'fds' AND p.word0 IS NOT NULL
    WHERE syscall IN ('pipe', 'pipe2', 'socketpair')
)
-- Opened by a path.
SELECT
    CASE WHEN open_flags & {{ O_TMPFILE }} != 0 OR path IS NULL OR path_status = 'truncated' OR is_elsewhere
        THEN {{ UNKNOWN }} ELSE {{ OPENED }} END AS kind,
    event_id, pid, tid, fd, ended AS at,
    CASE WHEN path LIKE '/%' AND NOT in_root THEN {{ ROOT }} ELSE start END AS source,
    entered, close_on_exec, FALSE AS snapshot,
    -- Which parts of the path are known not to be links: 0 none, 1 the last, 2 all.
    CASE WHEN without_links THEN 2 WHEN open_flags & {{ O_NOFOLLOW }} != 0 THEN 1 ELSE 0 END AS no_links,
    CASE WHEN open_flags & {{ O_TMPFILE }} != 0 THEN {{ NAME_UNKNOWN }}
        WHEN path IS NULL OR path_status = 'truncated' THEN {{ PATH_UNREADABLE }}
        ELSE {{ BASE_UNKNOWN }} END AS reason,
    -- What begins with a slash goes nowhere above its start.
    if(in_root, '/' || path, path) AS text
FROM paths
UNION ALL
-- Of a fixed name, or of none.
SELECT
    CASE WHEN syscall IN ('accept', 'accept4') THEN {{ ACCEPTED }}
        WHEN syscall = 'socket' THEN {{ SOCKET }}
        WHEN syscall = 'bpf' AND c_int(arg0) IN (0, 5) THEN {{ NAMED }}
        WHEN name IS NULL AND said IS NULL THEN {{ UNKNOWN }}
        ELSE {{ NAMED }} END,
    event_id, pid, tid, CAST(ret AS INTEGER), ended, c_int(arg0), entered, close_on_exec, FALSE, 0, {{ NAME_UNKNOWN }},
    CASE syscall
        WHEN 'memfd_create' THEN 'memfd:' || said
        WHEN 'mq_open' THEN 'mqueue:/' || said
        WHEN 'bpf' THEN CASE c_int(arg0) WHEN 0 THEN 'anon_inode:bpf-map' ELSE 'anon_inode:bpf-prog' END
        WHEN 'socket' THEN {{ socket_type }}
        ELSE name END
FROM made
WHERE name IS DISTINCT FROM 'path'
UNION ALL
SELECT {{ UNKNOWN }}, event_id, pid, tid, CAST(ret AS INTEGER), ended, 0, entered, FALSE, FALSE, 0, {{ NAME_UNKNOWN }}, NULL
FROM state
WHERE syscall = 'socketcall' AND arg0 IN (1, 5, 18)
UNION ALL
-- Both ends of a pipe have one name.
SELECT
    CASE syscall WHEN 'socketpair' THEN {{ SOCKET }} ELSE {{ NAMED }} END,
    event_id, pid, tid, fd, ended, 0, entered,
    CASE syscall WHEN 'pipe2' THEN arg1 WHEN 'socketpair' THEN arg1 ELSE 0 END & {{ O_CLOEXEC }} != 0,
    FALSE, 0, 0,
    CASE syscall WHEN 'socketpair' THEN {{ socket_type }} ELSE concat('pipe:#', event_id) END
FROM pairs
UNION ALL
-- Copies of another descriptor of the process, or of the same one with other flags.
SELECT
    {{ SAME }}, event_id, pid, tid,
    CASE
        WHEN syscall = 'fchdir' THEN {{ CWD }}
        WHEN syscall = 'ioctl' OR (syscall IN ('fcntl', 'fcntl64') AND arg1 = {{ F_SETFD }}) THEN c_int(arg0)
        ELSE CAST(ret AS INTEGER) END,
    ended, c_int(arg0), entered,
    CASE syscall
        WHEN 'dup3' THEN arg2 & {{ O_CLOEXEC }} != 0
        WHEN 'ioctl' THEN c_uint(arg1) = {{ FIOCLEX }}
        WHEN 'fcntl' THEN arg1 = {{ F_DUPFD_CLOEXEC }} OR (arg1 = {{ F_SETFD }} AND arg2 & 1 != 0)
        WHEN 'fcntl64' THEN arg1 = {{ F_DUPFD_CLOEXEC }} OR (arg1 = {{ F_SETFD }} AND arg2 & 1 != 0)
        ELSE FALSE END,
    FALSE, 0, 0, NULL
FROM state
WHERE syscall IN ('dup', 'fchdir')
    OR (syscall IN ('dup2', 'dup3') AND arg0 != arg1)
    OR (syscall IN ('fcntl', 'fcntl64') AND arg1 IN (0, {{ F_SETFD }}, {{ F_DUPFD_CLOEXEC }}))
    OR (syscall = 'ioctl' AND c_uint(arg1) IN ({{ FIOCLEX }}, {{ FIONCLEX }}))
UNION ALL
SELECT {{ CLOSED }}, event_id, pid, tid, c_int(arg0), 2 * ts_ns + 1, 0, 2 * ts_ns, FALSE, FALSE, 0, {{ NOT_OPEN }}, NULL
FROM syscalls
WHERE syscall = 'close' AND errno IS DISTINCT FROM 'EBADF'
UNION ALL
-- What getcwd says of the working directory it says from the root.
SELECT {{ OPENED }}, s.event_id, pid, tid, {{ CWD }}, ended, {{ ROOT }}, entered, FALSE, FALSE, 2, 0, g.value
FROM state AS s
JOIN strings AS g ON g.event_id = s.event_id AND g.arg = 0 AND g.value LIKE '/%' AND coalesce(g.status, '') != 'truncated'
WHERE syscall = 'getcwd'
UNION ALL
-- Received with a message.
SELECT {{ UNKNOWN }}, s.event_id, pid, tid, c_int(a.word0), ended, 0, entered,
    c_uint(arg2) & {{ MSG_CMSG_CLOEXEC }} != 0, FALSE, 0, {{ NOT_FOLLOWED }}, NULL
FROM state AS s
JOIN arrays AS a ON a.event_id = s.event_id AND a.kind = 'scm_rights' AND a.phase = 'exit' AND a.word0 IS NOT NULL
WHERE syscall = 'recvmsg'
UNION ALL
-- What pivot_root makes the root has no name from the old one, which is elsewhere now: it is '/', as /proc/PID/root says
-- from then on. Whoever stood in the old root stands in the new one; else the kernel leaves the working directory alone.
SELECT
    if(fd = {{ ROOT }} OR path = '.', {{ NAMED }}, {{ UNKNOWN }}),
    event_id, pid, tid, fd, ended, 0, entered, FALSE, FALSE, 2, {{ BASE_UNKNOWN }}, '/'
FROM (SELECT *, unnest([{{ CWD }}, {{ ROOT }}]) AS fd FROM state WHERE syscall = 'pivot_root')
UNION ALL
-- setns to a mount namespace: its root is both. Where the kind of namespace is not said, the file would say it.
SELECT
    CASE WHEN arg1 & 131072 != 0 THEN {{ NAMED }} ELSE {{ UNKNOWN }} END,
    event_id, pid, tid, unnest([{{ CWD }}, {{ ROOT }}]), ended, 0, entered, FALSE, FALSE, 2, {{ BASE_UNKNOWN }}, '/'
FROM state
WHERE syscall = 'setns' AND (arg1 & 131072 != 0 OR c_int(arg1) = 0)
UNION ALL
-- Closed by io_uring. What it opened without a row in uring is not known, but never has the number of one that is open.
SELECT {{ CLOSED }}, -1, pid, tid, fd, 2 * ts_ns + 1, 0, 2 * ts_ns, FALSE, FALSE, 0, {{ NOT_OPEN }}, NULL
FROM uring_closes
UNION ALL
-- Opened by io_uring; what is put into a slot of the ring's own files is no descriptor. How openat2 is to walk is not recorded.
SELECT
    CASE WHEN gives = 'accepted' AND slot IS NULL THEN {{ ACCEPTED }}
        WHEN gives = 'socket' THEN {{ SOCKET }}
        WHEN gives != 'path' OR path IS NULL OR path_status = 'truncated' OR is_elsewhere THEN {{ UNKNOWN }}
        WHEN op = 'openat' AND op_flags & {{ O_TMPFILE }} = {{ O_TMPFILE }} THEN {{ UNKNOWN }}
        ELSE {{ OPENED }} END,
    -1, pid, tid, CAST(ret AS INTEGER), 2 * (ts_ns + duration_ns),
    CASE WHEN gives = 'path' AND path LIKE '/%' THEN {{ ROOT }} ELSE coalesce(fd, -1) END,
    2 * ts_ns,
    CASE op WHEN 'openat' THEN op_flags WHEN 'accept' THEN op_flags WHEN 'socket' THEN "offset" ELSE 0 END & {{ O_CLOEXEC }} != 0,
    FALSE,
    if(op = 'openat' AND op_flags & {{ O_NOFOLLOW }} != 0, 1, 0),
    CASE WHEN gives != 'path' OR (op = 'openat' AND op_flags & {{ O_TMPFILE }} = {{ O_TMPFILE }}) THEN {{ NAME_UNKNOWN }}
        WHEN path IS NULL OR path_status = 'truncated' THEN {{ PATH_UNREADABLE }}
        ELSE {{ BASE_UNKNOWN }} END,
    CASE gives WHEN 'path' THEN path WHEN 'socket' THEN {{ socket_type }} END
FROM (
    SELECT
        op, gives, pid, tid, ts_ns, duration_ns, ret, fd, slot, path, path_status, op_flags, "offset",
        -- The arguments of socket(2), which a request has elsewhere.
        CAST(fd & 4294967295 AS UBIGINT) AS arg0, "offset" AS arg1, CAST(len AS UBIGINT) AS arg2,
        op = 'openat2' AND {{ leads_elsewhere }} AS is_elsewhere
    FROM uring
    JOIN (VALUES {{ uring_openers }}) AS o(op, gives) USING (op)
    CROSS JOIN (SELECT NULL::UBIGINT AS resolve)
    WHERE ret BETWEEN 0 AND 2147483647 AND coalesce(file_index, 0) = 0
)
UNION ALL
-- Found in /proc.
SELECT
    CASE WHEN target LIKE 'socket:[%' THEN {{ SOCKET }} ELSE {{ NAMED }} END,
    -1, pid, tid, fd, 2 * ts_ns, 0, 2 * ts_ns, coalesce(flags & {{ O_CLOEXEC }} != 0, FALSE), TRUE, 2, 0,
    coalesce(name, target)
FROM descriptors
UNION ALL
SELECT {{ NAMED }}, -1, pid, tid, where_.fd, 2 * snapshot_ns, 0, 2 * snapshot_ns, FALSE, TRUE, 2, 0, where_.text
FROM (
    SELECT pid, tid, snapshot_ns,
        unnest([{'fd': {{ CWD }}, 'text': cwd}, {'fd': {{ ROOT }}, 'text': root}]) AS where_
    FROM (
        SELECT pid, NULL AS tid, cwd, root, snapshot_ns FROM processes
        UNION ALL
        SELECT pid, tid, cwd, root, snapshot_ns FROM thread_tables WHERE directories_tid = tid AND tid != pid
    )
    WHERE snapshot_ns IS NOT NULL
)
WHERE where_.text IS NOT NULL
