"""The trace file, and facts about the kernel and about programs. Imports nothing else of bpfrec.

At the top, the trace file:

:mod:`.schema`           the tables of a trace and their columns
:mod:`.columns`          the classes that the schema is made of
:mod:`.arrow`            the same as Arrow schemas and Parquet options
:mod:`.manifest`         ``manifest.json``: how a trace was made
:mod:`.trace_writer`     writes a trace
:mod:`.trace_reader`     opens one
:mod:`.zip_members`      bounds on the zip that a trace is
:mod:`.errors`           the exceptions that users see as a message
:mod:`.untrusted_files`  opens files that others made

Below it, :mod:`.remote` (traces on web servers and in object stores), :mod:`.kernel` (system calls, errors, constants),
:mod:`.symbols` (ELF, DWARF, perf maps) and :mod:`.numeric` (searches over numpy columns).
"""
