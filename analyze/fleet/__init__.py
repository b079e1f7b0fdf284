"""One question to many traces.

:mod:`.places`        which traces a folder, a prefix of a store or a list names
:mod:`.index`         a table with a row for each trace, made of the first 64 KiB of it
:mod:`.question`      one question to one trace: rows, and a row that says how it went
:mod:`.kept_rows`     rows of an answer that has too many for memory
:mod:`.memory`        how much memory a process that asks may take
:mod:`.local_runner`  asks many traces with processes of this machine
:mod:`.spark_runner`  asks many traces with Apache Spark
:mod:`.spark_source`  traces as a table of Spark
:mod:`.spark_reading` what of it needs no Spark: which traces, columns and rows
:mod:`.spark_types`   and what the columns are in Spark
:mod:`.threads`       many small tasks that wait for stores
:mod:`.merging`       makes one answer of many
:mod:`.lake`          copies the tables of many traces into one folder for other engines
"""
