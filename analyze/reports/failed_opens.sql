WITH opened AS MATERIALIZED (
    SELECT
        event_id, ts_ns, pid, tid, comm, uid, errno, path, path_status,
{% if stack %}
        stack_id,
{% endif %}
        coalesce(resolved_path, path) AS name,
        resolved_path IS NOT NULL AS is_resolved,
        failed(ret) AS failed,
        ({{ where }}) AS chosen
    FROM syscalls
    WHERE syscall IN {{ opens }} AND (failed(ret) OR ret >= 0)
),
-- Names by number, for numbers are compared faster; file: the last part of the name.
names AS MATERIALIZED (
    SELECT name, name_id, file, CASE WHEN file != '' THEN dense_rank() OVER (ORDER BY file) END AS file_id
    FROM (
        SELECT name, row_number() OVER (ORDER BY name) AS name_id, split_part(name, '/', -1) AS file
        FROM (SELECT DISTINCT name FROM opened WHERE name IS NOT NULL)
    )
),
opens AS MATERIALIZED (
    SELECT opened.* EXCLUDE (name), name_id, file_id FROM opened LEFT JOIN names ON names.name = opened.name
),
-- the opens that one thread made of files with the same last part, one soon after the other, up to one that worked
tries AS MATERIALIZED (
    SELECT *, sum(starts) OVER (PARTITION BY pid, tid, file_id ORDER BY ts_ns, event_id) AS run
    FROM (
        SELECT
            *,
            CASE WHEN lag(failed) OVER tried AND ts_ns - lag(ts_ns) OVER tried <= {{ moment_ns }} THEN 0 ELSE 1 END AS starts
        FROM opens
        WHERE file_id IN (SELECT file_id FROM opens WHERE failed AND chosen)
        WINDOW tried AS (PARTITION BY pid, tid, file_id ORDER BY ts_ns, event_id)
    )
),
searches AS (
    SELECT pid, tid, file_id, run, max(found) AS found
    FROM (
        SELECT
            pid, tid, file_id, run, name_id,
            count(*) AS tries,
            bool_or(failed) AS failed,
            any_value(name_id) FILTER (NOT failed) AS found
        FROM tries
        GROUP BY pid, tid, file_id, run, name_id
    )
    GROUP BY pid, tid, file_id, run
    -- each place was tried once: a file that is tried again and again is no search
    HAVING max(found) IS NOT NULL AND bool_or(failed) AND max(tries) = 1
),
failures AS (
    SELECT tries.* EXCLUDE (starts, run), CASE WHEN errno IN ('ENOENT', 'ENOTDIR') THEN found END AS found
    FROM tries
    LEFT JOIN searches USING (pid, tid, file_id, run)
    WHERE failed AND chosen
    UNION ALL BY NAME
    SELECT * FROM opens WHERE file_id IS NULL AND failed AND chosen
),
-- what a row is about: a file, or, of searches for it that ended well, its last part
about AS (
    SELECT
        *,
        {% if searches %}FALSE{% else %}found IS NOT NULL{% endif %} AS is_folded,
        CASE WHEN is_folded THEN file_id ELSE name_id END AS subject,
        -- the same relative path is another file in another process
        CASE WHEN {{ process }} OR NOT (is_resolved OR is_folded) THEN pid END AS only_pid
    FROM failures
),
-- failures of one program in one process, of each name
by_name AS (
    SELECT
        errno, subject, only_pid, is_folded, found, path_status, pid, comm, name_id,
        any_value(file_id) AS file_id,
        count(*) AS count,
        min(path) AS path,
        bool_or(is_resolved) AS is_resolved,
        min(uid) AS uid,
        max(uid) AS last_uid,
        min(ts_ns) AS first_ns,
        max(ts_ns) AS last_ns
{% if stack %}
        , list(stack_id) FILTER (stack_id IS NOT NULL) AS stack_ids
{% endif %}
    FROM about
    GROUP BY errno, subject, only_pid, is_folded, found, path_status, pid, comm, name_id
),
-- of one program in one process
by_program AS (
    SELECT
        errno, subject, only_pid, is_folded, found, path_status, pid, comm,
        any_value(file_id) AS file_id,
        sum(count)::BIGINT AS count,
        count(name_id) AS names,
        min(name_id) AS name_id,
        {{ merged }}
    FROM by_name
    GROUP BY errno, subject, only_pid, is_folded, found, path_status, pid, comm
),
-- the next open of a file of that name, by the same process, that worked
worked AS (
    SELECT pid, file_id, name_id, ts_ns FROM opens WHERE NOT failed AND file_id IS NOT NULL
),
followed AS (
    SELECT by_program.*, CASE WHEN worked.name_id != by_program.name_id THEN worked.name_id END AS elsewhere
    FROM by_program
    ASOF LEFT JOIN worked
        ON worked.pid = by_program.pid AND worked.file_id = by_program.file_id AND worked.ts_ns > by_program.last_ns
),
by_process AS (
    SELECT
        errno, subject, only_pid, is_folded, found, path_status, pid,
        sum(count)::BIGINT AS count,
        max(count) AS tries,
        max(names) AS names,
        min(name_id) AS name_id,
        max(name_id) AS last_name_id,
        list(name_id) AS name_ids,
        min(comm) AS comm,
        max(comm) AS last_comm,
        count(comm) = count(*) AS has_comm,
        any_value(elsewhere) AS elsewhere,
        {{ merged }}
    FROM followed
    GROUP BY errno, subject, only_pid, is_folded, found, path_status, pid
),
rows AS (
    SELECT
        sum(count)::BIGINT AS count,
        errno,
        CASE WHEN count(pid) = 1 AND min(comm) = max(last_comm) AND bool_and(has_comm) THEN min(comm) END AS comm,
        CASE WHEN count(pid) = 1 THEN any_value(pid) END AS pid,
        -- whether it is about several names
        coalesce(max(names) > 1 OR min(name_id) != max(last_name_id), FALSE) AS has_several,
        subject,
        min(path) AS path,
        path_status,
        min(first_ns) AS first_ns,
        max(last_ns) AS last_ns,
        CASE WHEN bool_or(is_resolved) THEN min(name_id) END AS resolved,
        CASE WHEN min(uid) = max(last_uid) THEN min(uid) & 4294967295 END AS uid,
        count(pid) AS processes,
        max(tries) AS tries,
        errno IN ('ENOENT', 'ENOTDIR') AND found IS NULL AND subject IS NOT NULL AND max(tries) > 1 AS retried,
        any_value(elsewhere) AS elsewhere,
        is_folded,
        CASE WHEN found IS NOT NULL THEN greatest(max(names), len(list_distinct(flatten(list(name_ids))))) END AS tried,
        found
{% if stack %}
        , list_mode(list_sort(flatten(list(stack_ids)))) AS stack_id
{% endif %}
    FROM by_process
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
    CASE WHEN NOT has_several THEN path WHEN is_folded THEN searched.file ELSE about.name END AS path,
    -- NULL: path is whole; else why it is not
    path_status,
    -- entry of the first of them, wall clock (UTC)
    make_timestamp_ns(first_ns + {{ wall_offset_ns }}) AS first_ts,
    -- entry of the last of them, wall clock (UTC)
    make_timestamp_ns(rows.last_ns + {{ wall_offset_ns }}) AS last_ts,
    -- absolute path; NULL: it is not known where path starts, or several folders were searched
    CASE WHEN NOT has_several THEN whole.name END AS resolved_path,
    -- real user id; NULL: several
    uid,
    -- number of processes that tried
    processes,
    -- how many of them one program in one process made, at most
    tries,
    -- whether the file was missing and one program tried it again
    retried,
    -- whether anybody opened this file after the last failure; NULL: its absolute path is not known
    CASE WHEN resolved_path IS NOT NULL THEN coalesce(existing.last_ns > rows.last_ns, FALSE) END AS exists_later,
    -- the next file of the same name that a process opened after its last failure, if it was in another folder
    other.name AS other_name,
    -- of a search that ended well: in how many places the file was not
    tried,
    -- where such a search found the file; NULL: these opens were no such search
    place.name AS found
{% if stack %}
    -- the stack that most of them have, in frames; NULL: they have none
    , stack_id
    -- its frames, a line for each, innermost first
    , stack_text(stack_id) AS stack
{% endif %}
FROM rows
LEFT JOIN names AS about ON about.name_id = subject
LEFT JOIN (SELECT DISTINCT file_id, file FROM names) AS searched ON searched.file_id = subject
LEFT JOIN names AS whole ON whole.name_id = resolved
LEFT JOIN names AS other ON other.name_id = elsewhere
LEFT JOIN names AS place ON place.name_id = rows.found
LEFT JOIN (
    SELECT name_id, max(ts_ns) AS last_ns FROM opens WHERE NOT failed AND is_resolved GROUP BY name_id
) AS existing ON existing.name_id = resolved
ORDER BY retried DESC, CASE WHEN retried THEN tries END DESC, is_folded, count DESC, first_ts, path, pid, errno, place.name
{% if top %}
LIMIT {{ top }}
{% endif %}
