-- What was done with files of the same name is added. They may be different files: hosts have their own.
SELECT
    -- traces that name the file
    count(DISTINCT trace) AS traces,
    -- opens that worked
    sum(opens)::BIGINT AS opens,
    -- calls that failed
    sum(failures)::BIGINT AS failures,
    -- bytes read
    sum(bytes_read)::BIGINT AS bytes_read,
    -- bytes written
    sum(bytes_written)::BIGINT AS bytes_written,
    -- all calls
    sum(calls)::BIGINT AS calls,
    -- ns spent in them
    sum(total_ns)::BIGINT AS total_ns,
    -- name of the file
    path,
    -- whether the name is absolute
    resolved
FROM answers
GROUP BY path, resolved
ORDER BY calls DESC, path, resolved
