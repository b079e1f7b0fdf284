-- The calls that say who has what open, but for open, openat and close: a table of all their paths could fill a disk.
CREATE OR REPLACE TEMP TABLE world_calls AS
SELECT
    event_id, pid, tid, syscall, arg0, arg1, arg2, arg3, arg4, arg5, ret, errno, path, path_status, ts_ns, duration_ns
FROM syscalls
WHERE syscall IN {{ calls }}
    -- Of those that failed only these change something.
    AND (coalesce(ret, 0) >= 0 OR errno = 'EINPROGRESS')
