"""tcpaccept: connections over TCP that were accepted."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, clock, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Ports, map_options
from bpfrec.analyze.reports.snoop import flag, in_lines, snoop, snoop_report
from bpfrec.analyze.reports.tcpconnect import FAMILY_OPTIONS, settle_family


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    ports: Sequence[int] | None = None,
    family: int | None = None,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls of accept and accept4 on TCP sockets that worked, by the time of their return.

    ``ports``: only on these local ports. ``family``: only AF_INET (2) or AF_INET6 (10). ``duration_s``: only the first
    so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, uid, pid, comm, ip, peer, peer_port, source, source_port.
    """
    return snoop(trace, calls, "tcpaccept", duration_s=duration_s, top=top, ports=list(ports or ()), family=family)


REPORT = snoop_report(
    compute,
    in_lines(
        Field("TIME", -9, clock("ts"), gap="", when="time"),
        Field("TIME(s)", -9, decimals("time_s", 3), gap="", when="timestamp"),
        Field("PID", -7, "pid"),
        Field("COMM", -12, "comm", most=12),
        Field("IP", -2, "ip"),
        Field("RADDR", -16, "peer"),
        Field("RPORT", -5, "peer_port"),
        Field("LADDR", -16, "source"),
        Field("LPORT", -5, "source_port", gap=""),
    ),
    """Print connections over TCP that programs accepted, as bcc's tcpaccept does.

    RADDR and RPORT are "?" where the program did not ask accept for them.""",
    options=(
        *map_options(),
        flag(["-T", "--time"], "Show the time of day (UTC)."),
        flag(["-t", "--timestamp"], "Show seconds since the first of them."),
        click.Option(
            ["-P", "--port", "ports"], type=Ports(), metavar="PORT", help="Only on these local ports: 80,443."
        ),
        *FAMILY_OPTIONS,
    ),
    settle=settle_family,
)
