-- What calls name, one row each; a path by the descriptor that it starts at. The time is 2 * ns.
CREATE OR REPLACE TEMP TABLE world_uses AS
WITH
rules(syscall, place, role, fd, is_second) AS (VALUES {{ rules }}),
named AS (
    SELECT
        s.event_id, pid, ts_ns, ret, errno, place, role, arg3,
        CASE r.fd WHEN 0 THEN c_int(arg0) WHEN 1 THEN c_int(arg1) WHEN 2 THEN c_int(arg2) WHEN 3 THEN c_int(arg3)
            WHEN 4 THEN c_int(arg4) ELSE {{ CWD }} END AS fd,
        r.fd IS NOT NULL AS has_fd,
        if(is_second, path2, path) AS path,
        if(is_second, path2_status, path_status) AS status
    FROM syscalls AS s
    JOIN rules AS r USING (syscall)
)
SELECT
    event_id, pid, place, 2 * ts_ns AS at,
    CASE WHEN role IN ('path', 'text') AND path LIKE '/%' THEN {{ ROOT }} ELSE fd END AS fd,
    CASE
        WHEN role NOT IN ('path', 'text') THEN 0
        WHEN path IS NULL AND status = 'null' AND has_fd THEN 0
        WHEN path IS NULL OR status = 'truncated' THEN {{ PATH_UNREADABLE }}
        WHEN role = 'text' AND path NOT LIKE '/%' THEN {{ NOT_A_PATH }}
        WHEN path = '' AND errno = 'ENOENT' THEN {{ PATH_EMPTY }}
        ELSE 0 END AS reason,
    role IN ('path', 'text') AND path != '' AS is_path,
    -- Of a number that is not open the call says so, unless it looks at something else first.
    errno IS NOT NULL AND errno IN ('EBADF', 'EINVAL', 'EFAULT', 'ENOSYS', 'EPERM', 'ENOENT', 'ENAMETOOLONG') AS refused
FROM named
WHERE NOT (role = 'fd?' AND fd < 0)
    AND NOT (role = 'mapped' AND (arg3 & {{ MAP_ANONYMOUS }} != 0 OR fd < 0))
    AND NOT (role IN ('path', 'text') AND path IS NULL AND status = 'null' AND NOT has_fd)
