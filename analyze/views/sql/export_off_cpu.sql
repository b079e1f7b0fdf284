SELECT
    ts_ns, duration_ns, coalesce(pid, tid) AS pid, tid, state, blocked_ns, wait_ns, syscall, waker_pid, waker_tid,
    kernel_stack_id
FROM sched
WHERE ts_ns IS NOT NULL AND tid IS NOT NULL AND state != 'exited' AND {{ wanted }}
ORDER BY ts_ns
