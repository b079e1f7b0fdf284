-- The calls that say who has what open. A view: a table of all their paths could fill a disk.
CREATE OR REPLACE TEMP VIEW world_calls AS
SELECT
    event_id, pid, tid, syscall, arg0, arg1, arg2, arg3, arg4, arg5, ret, errno, path, path_status, ts_ns, duration_ns
FROM syscalls
WHERE syscall IN {{ calls }}
    -- Of those that failed only these change something.
    AND (coalesce(ret, 0) >= 0 OR syscall = 'close' OR errno = 'EINPROGRESS');
-- Those of them that are rare and asked for several times: to read all calls takes longer than to keep these.
CREATE OR REPLACE TEMP TABLE world_rare_calls AS
SELECT event_id, pid, tid, syscall, arg0, arg1, arg2, ret, errno, ts_ns, duration_ns
FROM world_calls
WHERE syscall IN {{ rare }}
