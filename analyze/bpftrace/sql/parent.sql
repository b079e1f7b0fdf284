-- The parent of the process that had this number at that time.
ASOF LEFT JOIN (SELECT pid, coalesce(start_ns, 0) AS start_ns, ppid FROM processes) AS born
  ON born.pid = e.pid AND born.start_ns <= e.t
