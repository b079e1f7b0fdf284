-- Rows of syscalls as probes at an exit see them: a new process or thread returns, too, from the call that made it, with 0. When it
-- began is in threads; in a pid namespace the call gives the id that the process has there.
(
    SELECT
        event_id, ts_ns, duration_ns, pid, tid, comm, uid, cpu, abi, nr, syscall,
        arg0, arg1, arg2, arg3, arg4, arg5, ret, errno, path, path2, path_status, path2_status, stack_id, entry_status
{% if by_path %}
        , resolved_path, resolved_path2
{% endif %}
    FROM syscalls
    UNION ALL
    SELECT
        s.event_id, child.start_ns, 0, child.pid, child.tid, child.comm, s.uid, NULL, s.abi, s.nr, s.syscall,
        arg0, arg1, arg2, arg3, arg4, arg5, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL
{% if by_path %}
        , NULL, NULL
{% endif %}
    FROM syscalls AS s
    JOIN (
        WITH born AS (
            -- A later row of the same thread is a name that it took.
            SELECT tid, pid, comm, start_ns
            FROM threads
            QUALIFY lag(end_ns) OVER (PARTITION BY tid, pid ORDER BY start_ns) IS DISTINCT FROM start_ns
        )
        SELECT tid AS id, tid, pid, comm, start_ns FROM born
        UNION ALL
        SELECT p.ns_pid, tid, born.pid, born.comm, born.start_ns
        FROM born
        JOIN processes AS p ON p.pid = born.tid AND p.start_ns = born.start_ns AND p.ns_pid != p.pid
    ) AS child ON child.id = s.ret AND child.start_ns BETWEEN s.ts_ns AND s.ts_ns + s.duration_ns
    WHERE s.syscall IN {{ forks }} AND s.ret > 0
) AS syscalls
