"""failures: calls that failed, and whether they succeeded later."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    name: str | None = None,
    syscall: str | None = None,
) -> Result:
    """Failed calls by system call, error and path, the most frequent first.

    Columns: count, syscall, errno, path, processes, first_ts, last_ts, succeeded_later: whether in each of the
    processes a call of the same name, and of the same path if it has one, entered after its last failure and worked;
    processes_succeeded: in how many of them.
    """
    chosen = conditions(pid=pid, tid=tid, syscall=syscall) + comm_contains(name)
    return trace.query(render("failures", where=where(chosen)), lazy=True)
