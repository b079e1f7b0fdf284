-- The same user was not permitted the same call on the same object.
SELECT
    -- traces that have it
    count(DISTINCT trace) AS traces,
    -- how many calls were not permitted
    sum(count)::BIGINT AS count,
    -- real user id
    uid,
    -- name of the thread
    comm,
    -- name of the system call
    syscall,
    -- EPERM or EACCES
    errno,
    -- what it was about
    object,
    -- entry of the first of them, wall clock (UTC)
    min(first_ts) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    max(last_ts) AS last_ts,
    -- a trace that has them
    min(trace) AS example
FROM answers
GROUP BY uid, comm, syscall, errno, object
ORDER BY traces DESC, count DESC, syscall, object, uid, comm, errno
