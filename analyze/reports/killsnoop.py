"""killsnoop: signals that processes sent."""

from __future__ import annotations

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, clock
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Count, SignalNumber
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop, snoop_report

_KILL = ("kill",)
_ALL = ("kill", "tkill", "tgkill")


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    tpid: int | None = None,
    signal: int | None = None,
    every: bool = False,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls of kill, with ``every`` also of tkill and tgkill, by the time of their return.

    ``tpid``: only signals to this process (or thread). ``signal``: only this signal. ``duration_s``: only the first
    so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, pid, comm, syscall, signal, signal_name, target, ret.
    """
    kinds = list(_ALL if every else _KILL)
    return snoop(trace, calls, "killsnoop", duration_s=duration_s, top=top, kinds=kinds, signal=signal, target=tpid)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("TIME", -9, clock("ts")),
        Field("PID", -8, "pid"),
        Field("COMM", -16, "comm"),
        Field("SIG", -4, "signal"),
        Field("TPID", -8, "target"),
        Field("RESULT", 0, "ret", gap=""),
    ),
    """Print signals that processes sent, as bcc's killsnoop does.

    They are calls of kill, and with -a also of tkill and tgkill. Times are UTC.""",
    streams=True,
    options=(
        click.Option(["-T", "--tpid"], type=Count(), metavar="PID", help="Only signals to this process."),
        click.Option(["-s", "--signal"], type=SignalNumber(), metavar="SIGNAL", help="Only this signal: 9, or KILL."),
        flag(["-a", "--all", "every"], "Also signals to single threads: tkill, tgkill."),
    ),
)
