-- What differs in the tables a and b, which have what aspects.sql counts.
WITH both_sides AS (
    SELECT
        section,
        what,
        coalesce(a.calls, 0) AS a_calls,
        coalesce(b.calls, 0) AS b_calls,
        a.time_ns AS a_ns,
        b.time_ns AS b_ns
    FROM a
    FULL JOIN b USING (section, what)
),
told AS (
    SELECT *, (b_calls / {{ b_length }}::DOUBLE) / nullif(a_calls / {{ a_length }}::DOUBLE, 0) AS ratio
    FROM both_sides
    WHERE section != 'startup'

    UNION ALL

    -- few calls, and those of less than a few microseconds, differ by chance
    SELECT 'latency', what, a_calls, b_calls, a_ns, b_ns, b_ns / nullif(a_ns, 0)::DOUBLE
    FROM both_sides
    WHERE section = 'calls' AND least(a_calls, b_calls) >= 10 AND greatest(a_ns, b_ns) >= 10_000

    UNION ALL

    SELECT section, what, a_calls, b_calls, a_ns, b_ns, coalesce(b_ns, 0) / nullif(a_ns, 0)::DOUBLE
    FROM both_sides
    WHERE section = 'startup' AND greatest(a_ns, b_ns) >= 1_000_000
)
SELECT
    -- ends, failures, programs, files, peers, calls: how often; startup, latency: how long
    section,
    -- what is compared: a call with its error and path, a file, an address ...
    what,
    -- how often in the first trace
    a_calls,
    -- how often in the second trace
    b_calls,
    -- ns in the first trace; of calls: half of them took no longer; of the startup: what it took of the time
    a_ns,
    -- the same in the second trace
    b_ns,
    -- how many times as often, or as long, in the second trace; NULL: it is in one of them alone
    CASE WHEN NOT alone THEN ratio END AS ratio
FROM (
    SELECT *, CASE WHEN section = 'startup' THEN a_ns IS NULL OR b_ns IS NULL ELSE least(a_calls, b_calls) = 0 END AS alone
    FROM told
)
WHERE alone OR ratio >= {{ ratio }} OR ratio <= 1 / {{ ratio }}
ORDER BY
    list_position(['ends', 'failures', 'programs', 'files', 'peers', 'calls', 'startup', 'latency'], section),
    NOT alone,
    CASE section
        WHEN 'latency' THEN abs(ln(ratio))
        WHEN 'startup' THEN abs(coalesce(b_ns, 0) - coalesce(a_ns, 0))
        ELSE greatest(a_calls, b_calls)
    END DESC,
    what
