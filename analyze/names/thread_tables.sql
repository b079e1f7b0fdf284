-- Threads that did not share with their process when they were read; times are 2 * ns.
SELECT pid, tid, files_tid, directories_tid, coalesce(2 * snapshot_ns, {{ FOREVER }}) AS snapshot
FROM thread_tables
WHERE pid IS NOT NULL AND tid IS NOT NULL
