-- What requests to io_uring may name, one row each; a path by the descriptor that it starts at. The time is 2 * ns.
WITH
ops(op, use, second) AS (VALUES {{ ops }}),
asked AS (
    SELECT DISTINCT
        pid, tid, ts_ns, op, use, second, fd, slot, path, path2, path_status, path2_status, errno,
        if(second = 'len', c_int(len), fd) AS second_fd
    FROM uring
    JOIN ops USING (op)
    WHERE status IS DISTINCT FROM 'unread' AND pid IS NOT NULL AND tid IS NOT NULL AND ts_ns IS NOT NULL
),
named AS (
    SELECT pid, tid, ts_ns, 0 AS place, op, use != 'file' AS is_path, use = 'text' AS is_text, fd, slot, path, path_status AS status, errno
    FROM asked
    UNION ALL
    SELECT pid, tid, ts_ns, 1, op, TRUE, FALSE, second_fd, NULL, path2, path2_status, errno
    FROM asked
    WHERE second IS NOT NULL
)
SELECT DISTINCT ON (pid, tid, ts_ns, place)
    pid, tid, ts_ns, {{ caller }} AS caller, place, 2 * ts_ns AS "at",
    CASE WHEN is_path AND path LIKE '/%' THEN {{ ROOT }} ELSE fd END AS fd,
    CASE
        WHEN slot IS NOT NULL THEN {{ NOT_FOLLOWED }}
        WHEN NOT is_path THEN 0
        WHEN path IS NULL AND status IS NULL AND NOT is_text THEN 0
        WHEN path IS NULL OR status = 'truncated' THEN {{ PATH_UNREADABLE }}
        WHEN is_text AND path NOT LIKE '/%' THEN {{ NOT_A_PATH }}
        WHEN path = '' AND errno = 'ENOENT' THEN {{ PATH_EMPTY }}
        -- How openat2 is to walk is not recorded.
        WHEN op = 'openat2' AND {{ leads_elsewhere }} THEN {{ BASE_UNKNOWN }}
        ELSE 0 END::UTINYINT AS reason,
    is_path AND coalesce(path, '') != '' AS is_path,
    coalesce(errno = 'EBADF', FALSE) AS refused
FROM (SELECT *, NULL::UBIGINT AS resolve FROM named)
ORDER BY pid ASC, tid ASC, ts_ns ASC, place ASC
