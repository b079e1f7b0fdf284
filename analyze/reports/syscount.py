"""syscount: system calls counted, or timed, by call or by process."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    syscall: str | None = None,
    failures: bool = False,
    errno: int | None = None,
    process: bool = False,
    latency: bool = False,
    top: int = 10,
) -> Result:
    """Counts the calls that returned, the most frequent first, or with ``latency`` those that took most time.

    ``failures``: only those that failed; ``errno``: only those that returned -errno; ``process``: by
    process, not by call; ``top``: so many rows, 0 for all.
    Columns: syscall (or pid, comm), count and, with ``latency``, total_ns.

    Calls that never returned are not counted, as bcc counts at the exit of a call; a note says how many there were.
    """
    asked = conditions("s", pid=pid, tid=tid, syscall=syscall)
    chosen = [Fragment("s.ret IS NOT NULL"), *asked]
    chosen += [Fragment("failed(s.ret)")] if failures else []
    chosen += conditions("s", ret=None if errno is None else -errno)
    sql = render(
        "syscount",
        process=process,
        latency=latency,
        top=top,
        where=where(chosen),
        measure=Fragment("total_ns" if latency else "count"),
        key=Fragment("s.pid" if process else "s.syscall"),
    )
    result = trace.query(sql)
    if not failures and errno is None:
        open_calls = f"SELECT count(*) FROM syscalls AS s WHERE {where([Fragment('s.ret IS NULL'), *asked])}"  # noqa: S608 - only literals
        if unfinished := trace.query(open_calls).rows[0][0]:
            result.notes.append(f"calls that never returned, which are not counted: {unfinished}")
    return result
