-- Histograms are added: every value is in the slot that it is in in its own trace. A percentile that is read from them
-- is right but for the width of its slot, a factor of two.
SELECT
    -- traces that have such a call
    count(DISTINCT trace) AS traces,
    -- name of the system call
    syscall,
    -- from so many ns
    from_ns,
    -- to so many ns
    to_ns,
    -- calls that took so long
    sum(count)::BIGINT AS count
FROM answers
GROUP BY syscall, from_ns, to_ns
ORDER BY sum(sum(count)) OVER (PARTITION BY syscall) DESC, syscall, from_ns
