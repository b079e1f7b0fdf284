"""mountsnoop: file systems that were mounted and unmounted."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.bcc_lines import UNKNOWN, Field
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import intervals
from bpfrec.analyze.reports.option_types import map_options
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop_report

_RETURN = "s.ts_ns + coalesce(s.duration_ns, 0)"


def compute(trace: Queries, calls: CallFilter, *, duration_s: float | None = None, top: int = 0) -> Result:
    """Calls of mount and umount by their entry.

    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, comm, pid, tid, ppid, parent_comm, syscall, call, ret.
    """
    times = intervals(trace.manifest, None, duration_s)
    chosen = where([*calls.conditions(trace.manifest, "s"), *times.conditions(_RETURN)])
    return trace.query(render("mountsnoop", where=chosen, top=top), lazy=True)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("COMM", -16, "comm"),
        Field("PID", -7, "pid"),
        Field("TID", -7, "tid"),
        Field("PCOMM", -16, "parent_comm", when="parent_process"),
        Field("PPID", -7, "ppid", when="parent_process"),
        Field("MNT_NS", -11, lambda _: UNKNOWN),
        Field("CALL", 0, "call", gap=""),
    ),
    """Print file systems that were mounted and unmounted, as bcc's mountsnoop does.

    MNT_NS, the mount namespace, is not in a trace.""",
    streams=True,
    options=(
        flag(["-P", "--parent_process", "--parent-process"], "Also show the parent process."),
        *map_options(),
    ),
)
