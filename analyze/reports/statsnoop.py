"""statsnoop: files that were looked at."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.render.bcc import path_sql, path_text
from bpfrec.analyze.render.bcc_lines import Field, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop, snoop_report


def compute(trace: Queries, calls: CallFilter, *, duration_s: float | None = None, top: int = 0) -> Result:
    """Calls of stat, lstat, newfstatat, statx and statfs with a path that returned, by the time of their return.

    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, pid, comm, syscall, ret, errno, path, path_status.
    """
    return snoop(trace, calls, "statsnoop", duration_s=duration_s, top=top)


_HOOKED = {"stat": "newstat", "lstat": "newlstat", "oldstat": "stat", "oldlstat": "lstat"}
"""What bcc's tool calls system calls whose functions in the kernel have other names."""

_HOOKED_SQL = (
    f"CASE syscall {' '.join(f'WHEN {literal(a)} THEN {literal(b)}' for a, b in _HOOKED.items())} ELSE syscall END"
)

FIELDS = (
    Field("TIME(s)", -14, decimals("time_s", 9), gap="", when="timestamp", sql="format('{:.9f}', time_s)"),
    Field("PID", -7, "pid"),
    Field("COMM", -16, "comm"),
    Field("FD", 4, lambda row: max(row["ret"], -1), sql="greatest(ret, -1)"),
    Field("ERR", 3, lambda row: max(-row["ret"], 0), sql="greatest(-ret, 0)"),
    Field("SYSCALL", -12, lambda row: _HOOKED.get(row["syscall"], row["syscall"]), when="sysname", sql=_HOOKED_SQL),
    Field("PATH", 0, lambda row: path_text(row["path"], row["path_status"]), gap="", sql=path_sql("path")),
)


REPORT = snoop_report(
    compute,
    in_lines(*FIELDS),
    """Print files that programs looked at, as bcc's statsnoop does.

    They are calls of stat, lstat, newfstatat, statx and statfs with a path. FD is what the call returned.""",
    streams=True,
    needs_all=("timestamp",),
    options=(
        flag(["-t", "--timestamp"], "Show seconds since the first of them."),
        flag(["-s", "--sysname"], "Show the call: newstat and newlstat are the kernel's names of stat and lstat."),
    ),
    flags={"tid": ("--tid",)},
)
