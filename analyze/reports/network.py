"""network: what was exchanged with every peer."""

from __future__ import annotations

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, render
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
"""What the peers can be sorted by, and the column that is."""

_INTERNET = "^(TCP|UDP|UDPLITE|SCTP|MPTCP|ICMP|RAW)( |$)"


def compute(
    trace: Queries,
    *,
    pid: int | None = None,
    tid: int | None = None,
    name: str | None = None,
    hosts: bool = False,
    sort: str = "time",
    top: int = 0,
) -> Result:
    """Connections, failures, bytes and time by peer: by its address and port, or the path of a unix socket.

    ``hosts``: by address, all ports together; ``sort``: of :data:`SORTS`, the most first; ``top``: only so many, 0:
    all. Columns: protocol, peer, connects, accepts, failures, bytes_sent, bytes_received, calls, total_ns, processes.
    """
    chosen = conditions(pid=pid, tid=tid) + comm_contains(name)
    without_port = r"CASE protocol WHEN 'unix' THEN peer ELSE regexp_replace(peer, ':\d+$', '') END"
    return trace.query(
        render(
            "network",
            where=where(chosen),
            calls=calls_that("connects", "sends", "receives", "reads", "writes", "copies_back"),
            sockets_only=calls_that("connects", "sends", "receives"),
            sending=calls_that("sends", "writes", "copies_back"),
            receiving=calls_that("receives", "reads"),
            internet=_INTERNET,
            peer=Fragment(without_port if hosts else "peer"),
            sort=identifier(SORTS[sort]),
            top=top,
        ),
        lazy=True,
    )
