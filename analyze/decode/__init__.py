"""Numbers of system calls as text, in SQL: functions, and the text of a whole call."""
