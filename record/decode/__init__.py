"""From the records of the BPF program to rows of the trace's tables, a batch of records at a time.

Nothing here reads files or knows of processes: records in (:mod:`bpfrec.bpf.wire`), Arrow tables out.

:mod:`.calls`         rows of ``syscalls``, and what follows for each call
:mod:`.captures`      the user memory that was copied with the calls, as numpy columns
:mod:`.capture_rows`  captures as rows: times, structs, socket addresses, argument vectors
:mod:`.arrays`        arrays that calls point at: iovecs, poll sets, passed descriptors
:mod:`.contents`      strings other than paths, and contents of buffers
:mod:`.interrupted`   whether a call that a signal interrupted failed with EINTR
:mod:`.text`          columns of text for Arrow, made for a whole batch at once
"""
