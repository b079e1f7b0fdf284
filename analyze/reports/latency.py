"""latency: how long system calls took."""

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
    histogram: bool = False,
) -> Result:
    """Durations by system call, the one that took most time first; calls that never returned have none.

    Columns: syscall, count, total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns; with ``histogram`` one row for every
    power of two that occurs: syscall, from_ns, to_ns, count.
    """
    chosen = conditions(pid=pid, tid=tid, syscall=syscall) + comm_contains(name)
    return trace.query(render("latency_histogram" if histogram else "latency", where=where(chosen)))
