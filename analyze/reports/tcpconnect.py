"""tcpconnect: connections over TCP that were begun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, bcc_lines, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Ports, map_options, refused_option
from bpfrec.analyze.reports.report import Answer, Options
from bpfrec.analyze.reports.snoop import flag, snoop, snoop_report

FAMILIES = {"ipv4": 2, "ipv6": 10}


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    ports: Sequence[int] | None = None,
    family: int | None = None,
    count: bool = False,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls of connect on TCP sockets, but for those that failed before anything was sent, by their entry.

    ``ports``: only to these ports. ``family``: only AF_INET (2) or AF_INET6 (10). ``count``: how often each address was
    connected to. ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, uid, pid, comm, ip, source, source_port, peer, peer_port, ret, errno; with
    ``count`` source, peer, peer_port, count.
    """
    return snoop(
        trace, calls, "tcpconnect", duration_s=duration_s, top=top, ports=list(ports or ()), family=family, count=count
    )


def settle_family(options: Options) -> Options:
    """``-4`` and ``-6`` as the number of a family."""
    if options["ipv4"] and options["ipv6"]:
        raise click.UsageError("-4 and -6 contradict each other.")
    return options | {"family": next((number for name, number in FAMILIES.items() if options[name]), None)}


FAMILY_OPTIONS = (flag(["-4", "--ipv4"], "Only IPv4."), flag(["-6", "--ipv6"], "Only IPv6."))

_FIELDS = (
    Field("TIME(s)", -9, decimals("time_s", 3), gap="", when="timestamp"),
    Field("UID", -6, "uid", gap="", when="print_uid"),
    Field("PID", -7, "pid"),
    Field("COMM", -12, "comm", most=12),
    Field("IP", -2, "ip"),
    Field("SADDR", -16, "source"),
    Field("LPORT", -6, "source_port", when="lport"),
    Field("DADDR", -16, "peer"),
    Field("DPORT", -6, "peer_port", gap=""),
)
_COUNTS = (
    Field("LADDR", -25, "source"),
    Field("RADDR", -25, "peer"),
    Field("RPORT", -20, "peer_port"),
    Field("CONNECTS", -10, "count", gap=""),
)


def _text(answer: Answer) -> Iterator[str]:
    fields = _COUNTS if answer.options["count"] else _FIELDS
    return bcc_lines(fields, answer.result.records(), answer.options)


REPORT = snoop_report(
    compute,
    _text,
    """Print connections over TCP that programs began, as bcc's tcpconnect does.

    SADDR and LPORT are "?" where no call of the program (bind, getsockname) told them. -c counts connections.""",
    options=(
        *map_options(),
        flag(["-t", "--timestamp"], "Show seconds since the first of them."),
        flag(["-U", "--print-uid"], "Show the user id."),
        flag(["-L", "--lport"], "Show the local port."),
        flag(["-c", "--count"], "Count by addresses and port."),
        click.Option(["-P", "--port", "ports"], type=Ports(), metavar="PORT", help="Only to these ports: 80,443."),
        *FAMILY_OPTIONS,
        refused_option(
            ["-d", "--dns"],
            "names of addresses are not read from the answers of name servers; a time is --duration.",
            is_flag=True,
        ),
    ),
    duration="",
    settle=settle_family,
)
