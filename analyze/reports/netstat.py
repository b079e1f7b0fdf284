"""netstat: the sockets that processes had at a time of the recording."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.text_columns import TextColumn
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.network import INTERNET
from bpfrec.analyze.reports.opened import NOT_OFFERED, REFUSES, at_option, opened
from bpfrec.analyze.reports.option_types import limit_option
from bpfrec.analyze.reports.report import Report, in_columns


def compute(trace: Queries, calls: CallFilter, *, at: str | float | None = None, top: int = 0) -> Result:
    """The sockets of processes at ``at``: those of the internet protocols and unix sockets.

    ``at``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording.
    The filter chooses processes by pid, thread, user and name, and sockets by their name (``path``).
    ``top``: at most this many rows, 0 for all.
    Columns: protocol, source, peer, state, pid, comm, fd.
    """
    return opened(trace, calls, "netstat", at, top, internet=INTERNET)


_COLUMNS = (
    TextColumn("PROTO", "protocol"),
    TextColumn("LOCAL", "source"),
    TextColumn("PEER", "peer"),
    TextColumn("STATE", "state"),
    TextColumn("PID", "pid"),
    TextColumn("PROGRAM", "comm"),
    TextColumn("FD", "fd"),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(at_option(), limit_option()),
    flags=NOT_OFFERED,
    refuses=REFUSES,
    empty="no socket is known to be open then",
    help="""List the sockets that processes had at a time of the recording, as netstat -p does.

    STATE is CONNECTED where a peer is known, and LISTEN after a listen.""",
)
