-- The processes of the trace; times are 2 * ns, NULL where they are not known.
SELECT pid, coalesce(ppid, -1) AS ppid, 2 * start_ns AS start, 2 * snapshot_ns AS snapshot
FROM processes
ORDER BY pid ASC NULLS LAST, start_ns ASC NULLS FIRST
