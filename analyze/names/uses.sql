-- What calls name, one row each; a path by the descriptor that it starts at. The time is 2 * ns.
CREATE OR REPLACE TEMP TABLE world_uses AS
WITH
named AS (
    SELECT
        s.event_id, pid, tid, s.syscall, ts_ns, ret, errno, place, role, arg3,
        CASE r.fd WHEN 0 THEN c_int(arg0) WHEN 1 THEN c_int(arg1) WHEN 2 THEN c_int(arg2) WHEN 3 THEN c_int(arg3)
            WHEN 4 THEN c_int(arg4) ELSE {{ CWD }} END AS fd,
        r.fd IS NOT NULL AS has_fd,
        if(is_second, path2, path) AS path,
        if(is_second, path2_status, path_status) AS status,
        CASE s.syscall WHEN 'openat2' THEN h.word2 ELSE 0 END AS resolve
    FROM syscalls AS s
    -- Arguments of 32-bit programs can stand elsewhere.
    JOIN world_rules AS r ON r.syscall = s.syscall AND (r.abi IS NULL OR (r.abi = 'i386') = (s.abi IS NOT DISTINCT FROM 'i386'))
    LEFT JOIN structs AS h ON s.syscall = 'openat2' AND h.event_id = s.event_id AND h.kind = 'open_how'
)
SELECT
    event_id, pid, tid, place, 2 * ts_ns AS at,
    CASE WHEN role IN ('path', 'text') AND path LIKE '/%' AND coalesce(resolve & {{ RESOLVE_IN_ROOT }} = 0, TRUE)
        THEN {{ ROOT }} ELSE fd END AS fd,
    CASE
        WHEN role NOT IN ('path', 'text') THEN 0
        WHEN path IS NULL AND status = 'null' AND has_fd THEN 0
        WHEN path IS NULL OR status = 'truncated' THEN {{ PATH_UNREADABLE }}
        WHEN role = 'text' AND path NOT LIKE '/%' THEN {{ NOT_A_PATH }}
        WHEN path = '' AND errno = 'ENOENT' THEN {{ PATH_EMPTY }}
        WHEN {{ leads_elsewhere }} THEN {{ BASE_UNKNOWN }}
        WHEN path NOT LIKE '/%' AND resolve & {{ RESOLVE_IN_ROOT }} != 0 AND regexp_matches(path, '^(\./+)*\.\.(/|$)')
            THEN {{ BASE_UNKNOWN }}
        ELSE 0 END AS reason,
    role IN ('path', 'text') AND path != '' AS is_path,
    -- Only this error says that a number is not open: of others it may not be known whether the kernel looked at it.
    errno IS NOT DISTINCT FROM 'EBADF' AS refused
FROM named
WHERE NOT (role = 'fd?' AND fd < 0)
    AND NOT (role = 'mapped' AND (arg3 & {{ MAP_ANONYMOUS }} != 0 OR fd < 0))
    AND NOT (role IN ('path', 'text') AND path IS NULL AND status = 'null' AND NOT has_fd);
DROP TABLE world_rules
