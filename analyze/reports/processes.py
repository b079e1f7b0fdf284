"""processes: which process started which, what it executed, how long it lived and how it ended."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.views.recording import wall_offset_ns


def compute(trace: Queries, *, pid: int | None = None, name: str | None = None) -> Result:
    """The processes of the trace as a tree: every process stands behind its parent, siblings by their start.

    ``pid``: only that one; ``name``: only those whose name contains it; both leave the depth as it is. Columns: pid,
    ppid, depth, start_ts, start_s, duration_ns, comm, exe, cmdline, uid, threads, calls, failed, first_call, last_call,
    execs, exit_code, signal.
    """
    chosen = conditions(pid=pid) + comm_contains(name)
    manifest = trace.manifest
    sql = render("processes", where=where(chosen), start=manifest.start_ns, wall_offset=wall_offset_ns(manifest))
    return trace.query(sql, lazy=True)
