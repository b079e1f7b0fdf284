"""Facts about Linux: system calls, error numbers, constants, what arguments mean.

The facts are in tables (``*.tsv``) whose heads name the sources; the modules read them.

:mod:`.syscalls`     names, numbers, arguments and classes of system calls, and what is copied of their arguments
:mod:`.captures`     layouts of the structs that are copied
:mod:`.roles`        which calls open, read, fork ...
:mod:`.descriptors`  which arguments name files, and which calls make descriptors
:mod:`.decoding`     constants by name, and how numbers become text
:mod:`.open_flags`   the flags of open(2)
:mod:`.errnos`       error numbers
:mod:`.sockaddr`     socket addresses as text
:mod:`.fact_tables`  reads the tables
"""
