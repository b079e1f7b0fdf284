WITH {{ given }},
waits AS (
    SELECT
        syscall,
        pid,
        tid,
        unfinished IS NOT DISTINCT FROM 'recording-stopped' AS is_still,
        -- a call in progress at the end has waited until then
        CASE WHEN ret IS NULL THEN {{ stop_ns }} - ts_ns ELSE duration_ns END AS waited_ns,
        CASE
            WHEN path IS NOT NULL THEN coalesce(resolved_path, path)
            WHEN starts_with(syscall, 'futex') THEN printf('lock 0x%x of process %d', arg0, pid)
            WHEN syscall IN ('wait4', 'waitid') THEN CASE WHEN syscall = 'wait4' AND ret > 0 THEN 'process ' || ret ELSE 'a child' END
            WHEN regexp_matches(resolved_path, {{ internet }}) THEN {{ peer }}
            ELSE coalesce(given.address, resolved_path)
        END AS object
    FROM syscalls
    LEFT JOIN given ON given.event_id = syscalls.event_id
    WHERE (duration_ns >= {{ least_ns }} OR (ret IS NULL AND unfinished = 'recording-stopped' AND {{ stop_ns }} - ts_ns >= {{ least_ns }}))
        AND {{ where }}
)
SELECT
    -- ns that threads waited, together
    sum(waited_ns)::BIGINT AS total_ns,
    -- number of such calls
    count(*) AS calls,
    -- the longest, ns
    max(waited_ns) AS max_ns,
    -- how many of them were still waiting when the recording stopped
    count(*) FILTER (is_still) AS still,
    -- number of threads that waited
    count(DISTINCT tid) AS threads,
    -- number of processes that waited
    count(DISTINCT pid) AS processes,
    -- name of the system call
    syscall,
    -- what was waited for: a file, peer of a socket, pipe, lock, process; NULL: nothing that has a name, or not known
    object
FROM waits
GROUP BY syscall, object
ORDER BY total_ns DESC, calls DESC, syscall, object
{% if top %}
LIMIT {{ top }}
{% endif %}
