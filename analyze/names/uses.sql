-- What calls may name, one row each; a path by the descriptor that it starts at. The time is 2 * ns.
WITH
named AS (
    SELECT
        s.event_id, pid, tid, s.syscall, ts_ns, errno, place, is_path, is_text, is_optional, is_mapped, arg3,
        r.fd IS NOT NULL AS has_fd,
        if(
            r.fd IS NULL,
            {{ CWD }},
            c_int(CASE r.fd WHEN 0 THEN arg0 WHEN 1 THEN arg1 WHEN 2 THEN arg2 WHEN 3 THEN arg3 WHEN 4 THEN arg4 END)
        ) AS fd,
        if(is_second, path2, path) AS path,
        if(is_second, path2_status, path_status) AS status,
        CASE s.syscall WHEN 'openat2' THEN h.word2 ELSE 0 END AS resolve
    FROM syscalls AS s
    -- Arguments of 32-bit programs can stand elsewhere.
    JOIN world_rules AS r ON r.syscall = s.syscall AND (r.abi IS NULL OR (r.abi = 'i386') = (s.abi IS NOT DISTINCT FROM 'i386'))
    LEFT JOIN structs AS h ON s.syscall = 'openat2' AND h.event_id = s.event_id AND h.kind = 'open_how'
)
SELECT
    event_id, {{ caller }} AS caller, place, 2 * ts_ns AS "at",
    CASE WHEN is_path AND path LIKE '/%' AND coalesce(resolve & {{ RESOLVE_IN_ROOT }} = 0, TRUE)
        THEN {{ ROOT }} ELSE fd END AS fd,
    -- A filter would be evaluated twice as often.
    CASE
        WHEN NOT is_path
            THEN if(
                coalesce((is_optional AND fd < 0) OR (is_mapped AND (arg3 & {{ MAP_ANONYMOUS }} != 0 OR fd < 0)), TRUE),
                {{ NOTHING }},
                0
            )
        WHEN path IS NULL AND coalesce(status = 'null', NOT has_fd) THEN if(has_fd, 0, {{ NOTHING }})
        WHEN path IS NULL OR status = 'truncated' THEN {{ PATH_UNREADABLE }}
        WHEN is_text AND path NOT LIKE '/%' THEN {{ NOT_A_PATH }}
        WHEN path = '' AND errno = 'ENOENT' THEN {{ PATH_EMPTY }}
        WHEN resolve = 0 THEN 0
        WHEN {{ leads_elsewhere }} THEN {{ BASE_UNKNOWN }}
        WHEN path NOT LIKE '/%' AND resolve & {{ RESOLVE_IN_ROOT }} != 0 AND regexp_matches(path, '^(\./+)*\.\.(/|$)')
            THEN {{ BASE_UNKNOWN }}
        ELSE 0 END::UTINYINT AS reason,
    is_path AND path != '' AS is_path,
    -- Only this error says that a number is not open: of others it may not be known whether the kernel looked at it.
    coalesce(errno = 'EBADF', FALSE) AS refused
FROM named
