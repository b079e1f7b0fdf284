"""failed-opens: the files that could not be opened."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.reports.opensnoop import FAMILY


def compute(trace: Queries, *, pid: int | None = None, tid: int | None = None, name: str | None = None) -> Result:
    """Failed calls of open, openat, openat2 and creat by thread name, process, path and error, the most frequent first.

    Columns: count, errno, comm, pid, path, path_status, first_ts, last_ts.
    """
    chosen = conditions(pid=pid, tid=tid) + comm_contains(name)
    return trace.query(render("failed_opens", family=list(FAMILY), where=where(chosen)), lazy=True)
