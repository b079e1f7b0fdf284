-- The same call that failed with the same error, about the same object. Numbers of processes are added: a process is
-- in one trace.
SELECT
    -- traces that have such failures
    count(DISTINCT trace) AS traces,
    -- how many calls failed like this
    sum(count)::BIGINT AS count,
    -- name of the system call
    syscall,
    -- name of the error
    errno,
    -- what it was about
    object,
    -- number of processes it failed in
    sum(processes)::BIGINT AS processes,
    -- entry of the first of them, wall clock (UTC)
    min(first_ts) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    max(last_ts) AS last_ts,
    -- a trace that has them
    min(trace) AS example,
    -- whether the error says "not yet" and no more: such rows stand last
    bool_or(not_yet) AS not_yet
FROM answers
GROUP BY syscall, errno, object
ORDER BY not_yet, traces DESC, count DESC, syscall, errno, object
