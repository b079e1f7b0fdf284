"""What is known of the recorded processes: from /proc, and from the events of perf.

All reading of /proc/PID goes through :mod:`.procfs`; what cannot be read is logged there.

:mod:`.procfs`             reads and parses /proc/PID
:mod:`.sockets`            names sockets, from /proc/PID/net
:mod:`.descriptors`        what processes had open, their working directories and roots
:mod:`.helpers`            processes that touch what may hang: files and memory of the recorded processes
:mod:`.foreign_files`      opens files as the users of recorded processes may
:mod:`.found_process`      what was found of a process, as the journal keeps it
:mod:`.sharing`            which threads share descriptor tables and working directories
:mod:`.acting`             takes the rights of another user for a while
:mod:`.calls_in_progress`  the system calls that threads are in when recording begins
:mod:`.cgroup`             finds the cgroup that ``--cgroup`` names
:mod:`.history`            names, programs and mappings of processes over time
"""
