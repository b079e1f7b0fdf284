"""bindsnoop: addresses that sockets were bound to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import UNKNOWN, Field, Record, bcc_lines, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Ports, map_options
from bpfrec.analyze.reports.report import Answer
from bpfrec.analyze.reports.snoop import flag, snoop, snoop_report


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    errors: bool = True,
    ports: Sequence[int] | None = None,
    count: bool = False,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls of bind with an IP address, by the time of their return.

    ``errors``: also those that failed. ``ports``: only for these ports. ``count``: how often each address was bound.
    ``duration_s``: only the first so many seconds. ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, uid, pid, comm, protocol, address, port, options, ret, errno; with ``count``
    address, port, count.
    """
    errors = errors or calls.failed
    return snoop(
        trace, calls, "bindsnoop", duration_s=duration_s, top=top, errors=errors, ports=list(ports or ()), count=count
    )


def _words(row: Record) -> str:
    return os.strerror(-row["ret"]) if row["ret"] else "Success"


def _fields(wide: bool) -> Sequence[Field]:
    """The fields; ``wide``: with room for addresses of IPv6, and errors in words."""
    return (
        Field("TIME(s)", -9, decimals("time_s", 6), when="timestamp"),
        Field("UID", 6, "uid", when="print_uid"),
        Field("RC", -25 if wide else 3, _words if wide else "ret", when="errors"),
        Field("PID", 10 if wide else 8, "pid"),
        Field("COMM", -12, "comm", most=12),
        Field("PROT", -4, "protocol", most=4),
        Field("ADDR", -39 if wide else -15, "address", most=None if wide else 15),
        Field("PORT", 5, "port", head_width=-5),
        Field("OPTS", -5, "options", head_width=5),
        Field("IF", 2, lambda _: UNKNOWN, gap=""),
    )


_COUNTS = (
    Field("LADDR", -32, "address"),
    Field("LPORT", 20, "port", gap="     "),
    Field("BINDS", -10, "count", gap=""),
)


def _text(answer: Answer) -> Iterator[str]:
    fields = _COUNTS if answer.options["count"] else _fields(answer.options["wide"])
    return bcc_lines(fields, answer.result.records(), answer.options)


REPORT = snoop_report(
    compute,
    _text,
    """Print addresses that sockets were bound to, as bcc's bindsnoop does.

    OPTS are options that were set on the socket before: F IP_FREEBIND, T IP_TRANSPARENT, N IP_BIND_ADDRESS_NO_PORT,
    R SO_REUSEADDR, r SO_REUSEPORT. IF, the interface, is not in a trace.""",
    options=(
        *map_options(),
        flag(["-t", "--timestamp"], "Show seconds since the first of them."),
        flag(["-w", "--wide"], "Leave room for addresses of IPv6."),
        flag(["-E", "--errors"], "Also show those that failed."),
        flag(["-U", "--print-uid"], "Show the user id."),
        flag(["--count"], "Count by address and port."),
        click.Option(["-P", "--port", "ports"], type=Ports(), metavar="PORT", help="Only these ports: 80,443."),
    ),
)
