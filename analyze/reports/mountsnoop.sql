SELECT
    -- the call, in syscalls
    s.event_id,
    -- entry, wall clock (UTC)
    s.ts,
    -- name of the thread
    s.comm,
    -- process id
    s.pid,
    -- thread id
    s.tid,
    -- parent when it was first seen; NULL: not known
    p.ppid,
    -- name of the parent; NULL: not known
    parent.comm AS parent_comm,
    -- name of the system call
    s.syscall,
    -- the call and its result
    concat(
        CASE s.syscall WHEN 'mount' THEN concat(
            'mount(', coalesce('"' || s.path || '"', 'NULL'),
            ', ', coalesce('"' || s.path2 || '"', '"<' || coalesce(s.path2_status, 'unknown') || '>"'),
            ', ', coalesce('"' || kind.value || '"', 'NULL'),
            ', ', if(s.arg3 = 0, '0x0', mount_flags(s.arg3)),
            ', ', coalesce('"' || data.value || '"', if(s.arg4 = 0, '""', '?')), ')'
        ) ELSE concat(
            'umount(', coalesce('"' || s.path || '"', '"<' || coalesce(s.path_status, 'unknown') || '>"'),
            ', ', if(s.arg1 & 4294967295 = 0, '0x0', umount_flags(s.arg1)), ')'
        ) END,
        ' = ', CASE WHEN s.ret IS NULL THEN '?' WHEN s.errno IS NOT NULL THEN '-' || s.errno ELSE s.ret::VARCHAR END
    ) AS call,
    -- what it returned: 0, or -errno; NULL: never returned
    s.ret
FROM syscalls AS s
LEFT JOIN strings AS kind ON kind.event_id = s.event_id AND kind.arg = 2
LEFT JOIN strings AS data ON data.event_id = s.event_id AND data.arg = 4
LEFT JOIN (SELECT pid, max_by(ppid, coalesce(start_ns, 0)) AS ppid FROM processes GROUP BY pid) AS p ON p.pid = s.pid
LEFT JOIN (SELECT pid, max_by(comm, coalesce(start_ns, 0)) AS comm FROM processes GROUP BY pid) AS parent ON parent.pid = p.ppid
WHERE s.syscall IN ('mount', 'umount', 'umount2') AND {{ where }}
ORDER BY s.ts_ns, s.event_id
{% if top %}
LIMIT {{ top }}
{% endif %}
