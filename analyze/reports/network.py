"""network: what was exchanged with every peer."""

from __future__ import annotations

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, render
from bpfrec.analyze.render.text_columns import Record, TextColumn, Word, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Report, in_columns
from bpfrec.analyze.reports.requests import has_requests
from bpfrec.formats.kernel.roles import calls_that

SORTS = {
    "time": "total_ns",
    "calls": "calls",
    "connects": "connects",
    "accepts": "accepts",
    "failures": "failures",
    "sent": "bytes_sent",
    "received": "bytes_received",
}
"""What peers can be sorted by, and the column that has it."""

INTERNET = "^(TCP|UDP|UDPLITE|SCTP|MPTCP|ICMP|RAW)( |$)"
"""Which resolved paths of descriptors are those of internet sockets."""


_SEVERAL_MESSAGES = ("sendmmsg", "recvmmsg")
"""Their results count messages; how long those were is not recorded."""


def compute(trace: Queries, calls: CallFilter, *, hosts: bool = False, sort: str = "time", top: int = 0) -> Result:
    """Connections, failures, bytes and time by peer: by its address and port, or the path of a unix socket.

    ``hosts``: by address, all its ports together. ``sort``: a key of :data:`SORTS`; the largest value stands first.
    ``top``: at most this many rows, 0 for all. Requests to io_uring count as calls that do the same.
    A connect that went on after its call (EINPROGRESS) ends with what the trace says of it later.
    Columns: protocol, peer, connects, accepts, failures, bytes_sent, bytes_received, calls, total_ns, processes,
    connects_unknown, messages_sent, messages_received.
    """
    without_port = r"CASE protocol WHEN 'unix' THEN peer ELSE regexp_replace(peer, ':\d+$', '') END"
    return trace.query(
        render(
            "network",
            where=calls.where(trace.manifest),
            uring=has_requests(trace.manifest),
            calls=(*calls_that("connects", "sends", "receives", "reads", "writes", "copies_back"), *_SEVERAL_MESSAGES),
            sockets_only=(*calls_that("connects", "sends", "receives"), *_SEVERAL_MESSAGES),
            moving=(*calls_that("sends", "receives", "reads", "writes"), *_SEVERAL_MESSAGES),
            sending=calls_that("sends", "writes", "copies_back"),
            receiving=calls_that("receives", "reads"),
            given=Fragment(render("given_peers")),
            internet=INTERNET,
            peer=Fragment(without_port if hosts else "peer"),
            sort=identifier(SORTS[sort]),
            top=top,
        ),
        lazy=True,
    )


def _marked(row: Record, column: str, doubt: str, mark: str) -> object:
    """The number in ``column``, with ``mark`` behind it if the column ``doubt`` says that it is not certain."""
    if not row[doubt]:
        return row[column]
    return Word("?" if row[column] is None else f"{row[column]}{mark}")


_COLUMNS = (
    TextColumn("CONN", lambda r: _marked(r, "connects", "connects_unknown", "?")),
    TextColumn("ACC", "accepts"),
    TextColumn("FAIL", "failures"),
    TextColumn("SENT", lambda r: _marked(r, "bytes_sent", "messages_sent", "+")),
    TextColumn("RECEIVED", lambda r: _marked(r, "bytes_received", "messages_received", "+")),
    TextColumn("CALLS", "calls"),
    TextColumn("TIME (ms)", scaled("total_ns", 1e6)),
    TextColumn("PEER", lambda r: " ".join(filter(None, (r["protocol"], r["peer"] or "-")))),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(
        click.Option(["-H", "--hosts"], is_flag=True, help="Show each address once, all its ports together."),
        click.Option(
            ["--sort"],
            type=click.Choice(list(SORTS)),
            default="time",
            show_default=True,
            help="Show the peers with the largest value first.",
        ),
        top_option(20),
    ),
    help="""Show what was exchanged with every peer: connections made and accepted, failures, bytes, time.

    A peer is an address and port, or the path of a unix socket; "-" if it is not known. "2?" means that the
    trace does not say how some of these connects ended; "10+" that there were messages of sendmmsg or recvmmsg besides,
    whose lengths are not recorded.""",
)
