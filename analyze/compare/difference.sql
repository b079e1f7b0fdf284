-- What differs in the tables a and b, which have what aspects.sql counts.
WITH both_sides AS (
    SELECT
        section,
        what,
        coalesce(a.calls, 0) AS a_calls,
        coalesce(b.calls, 0) AS b_calls,
        a.p50_ns AS a_p50_ns,
        b.p50_ns AS b_p50_ns
    FROM a
    FULL JOIN b USING (section, what)
),
rows_of_both AS (
    SELECT *, (b_calls / {{ b_length }}::DOUBLE) / nullif(a_calls / {{ a_length }}::DOUBLE, 0) AS ratio FROM both_sides
    UNION ALL
    -- few calls, and those of less than a few microseconds, differ by chance
    SELECT 'latency', what, a_calls, b_calls, a_p50_ns, b_p50_ns, b_p50_ns / nullif(a_p50_ns, 0)::DOUBLE
    FROM both_sides
    WHERE section = 'calls' AND least(a_calls, b_calls) >= 10 AND greatest(a_p50_ns, b_p50_ns) >= 10_000
)
SELECT
    -- ends, failures, programs, files, peers, calls: how often; latency: how long half of the calls took at most
    section,
    -- what is compared: a call with its error and path, a file, an address ...
    what,
    -- how often in the first trace
    a_calls,
    -- how often in the second trace
    b_calls,
    -- of calls, in the first trace: half of them took no longer, ns
    a_p50_ns,
    -- of calls, in the second trace: half of them took no longer, ns
    b_p50_ns,
    -- how many times as often, or as long, in the second trace; NULL: it is in one of them alone
    CASE WHEN a_calls > 0 AND b_calls > 0 THEN ratio END AS ratio
FROM rows_of_both
WHERE a_calls = 0 OR b_calls = 0 OR ratio >= {{ ratio }} OR ratio <= 1 / {{ ratio }}
ORDER BY
    list_position(['ends', 'failures', 'programs', 'files', 'peers', 'calls', 'latency'], section),
    least(a_calls, b_calls) > 0,
    CASE WHEN section = 'latency' THEN abs(ln(ratio)) ELSE greatest(a_calls, b_calls) END DESC,
    what
