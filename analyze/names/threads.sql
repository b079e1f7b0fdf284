-- The threads of each process.
SELECT DISTINCT pid, tid FROM threads WHERE pid IS NOT NULL AND tid IS NOT NULL
