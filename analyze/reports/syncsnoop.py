"""syncsnoop: calls that bring data to disks."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop, snoop_report

SYNC_CALLS = ("sync", "syncfs", "fsync", "fdatasync", "msync", "sync_file_range")


def compute(
    trace: Queries, calls: CallFilter, *, every: bool = False, duration_s: float | None = None, top: int = 0
) -> Result:
    """Calls of sync, with ``every`` also of syncfs, fsync, fdatasync, msync and sync_file_range, by their entry.

    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, pid, comm, syscall, file, duration_ns, ret.
    """
    kinds = list(SYNC_CALLS if every else SYNC_CALLS[:1])
    return snoop(trace, calls, "syncsnoop", duration_s=duration_s, top=top, kinds=kinds, every=every)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("TIME(s)", -18, decimals("time_s", 9)),
        Field("PID", -7, "pid", when="every"),
        Field("COMM", -16, "comm", when="every"),
        Field("LAT(ms)", 9, decimals("duration_ns", 3, 1e6), when="every"),
        Field("CALL", 0, lambda row: f"{row['syscall']}({row['file'] or ''})", gap=""),
    ),
    """Print calls that bring all data to disks, as bcc's syncsnoop does: sync.

    -a also shows the calls that bring one file, or one file system, there, with the process, the time they took and the
    file. TIME is that of CLOCK_MONOTONIC, as in bcc's tool.""",
    streams=True,
    needs_all=("every",),
    options=(flag(["-a", "--all", "every"], "Also fsync, fdatasync, syncfs, msync and sync_file_range."),),
)
