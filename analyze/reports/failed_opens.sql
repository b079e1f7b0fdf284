WITH opens AS MATERIALIZED (
    SELECT
        event_id, ts, ts_ns, pid, tid, comm, uid, errno, path, path_status, resolved_path,
{% if stack %}
        stack_id,
{% endif %}
        coalesce(resolved_path, path) AS named,
        -- the last part of the name
        split_part(coalesce(resolved_path, path), '/', -1) AS file,
        failed(ret) AS failed,
        ({{ where }}) AS chosen
    FROM syscalls
    WHERE syscall IN {{ opens }} AND (failed(ret) OR ret >= 0)
),
-- the opens that one thread made of files with the same last part, one soon after the other, up to one that worked
tries AS (
    SELECT
        event_id, pid, tid, file, named, failed,
        sum(starts) OVER (PARTITION BY pid, tid, file ORDER BY ts_ns, event_id) AS run
    FROM (
        SELECT
            event_id, ts_ns, pid, tid, file, named, failed,
            CASE WHEN lag(failed) OVER tried AND ts_ns - lag(ts_ns) OVER tried <= {{ moment_ns }} THEN 0 ELSE 1 END AS starts
        FROM opens
        WHERE file != '' AND (pid, tid, file) IN (SELECT (pid, tid, file) FROM opens WHERE failed AND chosen)
        WINDOW tried AS (PARTITION BY pid, tid, file ORDER BY ts_ns, event_id)
    )
),
searches AS (
    SELECT pid, tid, file, run, any_value(named) FILTER (NOT failed) AS found
    FROM tries
    GROUP BY pid, tid, file, run
    -- each place was tried once: a file that is tried again and again is no search
    HAVING bool_or(NOT failed) AND bool_or(failed) AND count(DISTINCT named) = count(*)
),
failures AS (
    SELECT
        opens.*,
        CASE WHEN errno IN ('ENOENT', 'ENOTDIR') THEN found END AS found
    FROM opens
    LEFT JOIN (
        SELECT event_id, found FROM tries JOIN searches USING (pid, tid, file, run)
    ) AS folded USING (event_id)
    WHERE failed AND chosen
),
-- what a row is about: a file, or, of searches for it that ended well, its last part
about AS (
    SELECT
        failures.*,
        {% if searches %}FALSE{% else %}found IS NOT NULL{% endif %} AS is_folded,
        CASE WHEN is_folded THEN file ELSE named END AS subject,
        -- the same relative path is another file in another process
        CASE WHEN {{ process }} OR (resolved_path IS NULL AND NOT is_folded) THEN pid END AS only_pid
    FROM failures
),
-- failures of one program in one process
by_process AS (
    SELECT
        errno, subject, only_pid, is_folded, found, path_status, pid, comm,
        any_value(file) AS file,
        count(*) AS count,
        count(DISTINCT named) AS names,
        min(named) AS named,
        min(path) AS path,
        min(resolved_path) AS resolved_path,
        any_value(uid) AS uid,
        count(DISTINCT uid) AS uids,
        min(ts) AS first_ts,
        max(ts) AS last_ts,
        max(ts_ns) AS last_ns
{% if stack %}
        , list(stack_id) FILTER (stack_id IS NOT NULL) AS stack_ids
{% endif %}
    FROM about
    GROUP BY errno, subject, only_pid, is_folded, found, path_status, pid, comm
),
-- the next open of a file of that name, by the same process, that worked
worked AS (
    SELECT pid, file, named, ts_ns FROM opens WHERE NOT failed
),
followed AS (
    SELECT by_process.*, CASE WHEN worked.named != by_process.named THEN worked.named END AS elsewhere
    FROM by_process
    ASOF LEFT JOIN worked ON worked.pid = by_process.pid AND worked.file = by_process.file AND worked.ts_ns > by_process.last_ns
),
existing AS (
    SELECT resolved_path, max(ts_ns) AS last_ns FROM opens WHERE NOT failed AND resolved_path IS NOT NULL GROUP BY resolved_path
),
rows AS (
    SELECT
        sum(count)::BIGINT AS count,
        errno,
        CASE WHEN count(DISTINCT pid) = 1 AND count(DISTINCT comm) = 1 AND count(comm) = count(*) THEN any_value(comm) END AS comm,
        CASE WHEN count(DISTINCT pid) = 1 THEN any_value(pid) END AS pid,
        -- of a search in several places, what was searched
        CASE WHEN max(names) > 1 OR count(DISTINCT named) > 1 THEN subject ELSE min(path) END AS path,
        path_status,
        min(first_ts) AS first_ts,
        max(last_ts) AS last_ts,
        CASE WHEN max(names) <= 1 AND count(DISTINCT named) <= 1 THEN min(resolved_path) END AS resolved_path,
        CASE WHEN count(DISTINCT uid) = 1 AND max(uids) = 1 THEN any_value(uid) & 4294967295 END AS uid,
        count(DISTINCT pid) AS processes,
        max(count) AS tries,
        errno IN ('ENOENT', 'ENOTDIR') AND found IS NULL AND subject IS NOT NULL AND max(count) > 1 AS retried,
        any_value(elsewhere) AS elsewhere,
        max(last_ns) AS last_ns,
        is_folded,
        CASE WHEN found IS NOT NULL THEN greatest(max(names), count(DISTINCT named)) END AS tried,
        found
{% if stack %}
        , list_mode(flatten(list(stack_ids))) AS stack_id
{% endif %}
    FROM followed
    GROUP BY errno, subject, only_pid, is_folded, found, path_status
)
SELECT
    -- how many of these opens failed with this error
    count,
    -- name of the error
    errno,
    -- name of the thread; NULL: several, or not known
    comm,
    -- process id; NULL: several
    pid,
    -- path as passed; of a search in several folders the name that was searched; NULL: see path_status
    path,
    -- NULL: path is whole; else why it is not
    path_status,
    -- entry of the first of them, wall clock (UTC)
    first_ts,
    -- entry of the last of them, wall clock (UTC)
    last_ts,
    -- absolute path; NULL: it is not known where path starts, or several folders were searched
    rows.resolved_path,
    -- real user id; NULL: several
    uid,
    -- number of processes that tried
    processes,
    -- how many of them one program in one process made, at most
    tries,
    -- whether the file was missing and one program tried it again
    retried,
    -- whether anybody opened this file after the last failure; NULL: its absolute path is not known
    CASE WHEN rows.resolved_path IS NOT NULL THEN coalesce(existing.last_ns > rows.last_ns, FALSE) END AS exists_later,
    -- the next file of the same name that a process opened after its last failure, if it was in another folder
    elsewhere AS other_name,
    -- of a search that ended well: in how many places the file was not
    tried,
    -- where such a search found the file; NULL: these opens were no such search
    found
{% if stack %}
    -- the stack that most of them have, in frames; NULL: they have none
    , stack_id
    -- its frames, a line for each, innermost first
    , stack_text(stack_id) AS stack
{% endif %}
FROM rows
LEFT JOIN existing ON existing.resolved_path = rows.resolved_path
ORDER BY retried DESC, CASE WHEN retried THEN tries END DESC, is_folded, count DESC, first_ts, path, pid, errno, found
{% if top %}
LIMIT {{ top }}
{% endif %}
