"""One question to many traces.

:mod:`.places`        which traces a folder, a prefix of a store or a list names
:mod:`.index`         a table with a row for each trace, made of the first 64 KiB of it
:mod:`.question`      one question to one trace: rows, and a row that says how it went
:mod:`.local_runner`  asks many traces with processes of this machine
:mod:`.merging`       makes one answer of many
:mod:`.lake`          copies the tables of many traces into one folder for other engines
"""
