"""netstat: the sockets that processes had at a time of the recording."""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.names.resolve import opened_at
from bpfrec.analyze.render.text_columns import TextColumn
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.lsof import NOT_OFFERED, at_option, name_conditions, time_ns
from bpfrec.analyze.reports.network import INTERNET
from bpfrec.analyze.reports.option_types import limit_option
from bpfrec.analyze.reports.report import Answer, Report


def compute(trace: Queries, calls: CallFilter, *, at: str | float | None = None, top: int = 0) -> Result:
    """The sockets of processes at ``at``: those of the internet protocols and unix sockets.

    ``at``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording.
    The filter chooses processes by pid, user and name, and sockets by their name (``path``). ``top``: at most this
    many rows, 0 for all.
    Columns: protocol, source, peer, state, pid, comm, fd.
    """
    at_ns = time_ns(trace, at)
    chosen = CallFilter(pids=calls.pids).conditions(trace.manifest, "o")
    chosen += CallFilter(uids=calls.uids, name=calls.name).conditions(trace.manifest, "p")
    chosen += name_conditions(calls, "o.name")
    rows = [tuple(row) for row in opened_at(trace, at_ns)]
    sql = render(
        "netstat",
        rows=Fragment(", ".join(map(literal, rows))),
        at_ns=at_ns,
        internet=INTERNET,
        where=where(chosen),
        top=top,
    )
    return trace.query(sql)


_COLUMNS = (
    TextColumn("PROTO", "protocol"),
    TextColumn("LOCAL", "source"),
    TextColumn("PEER", "peer"),
    TextColumn("STATE", "state"),
    TextColumn("PID", "pid"),
    TextColumn("PROGRAM", "comm"),
    TextColumn("FD", "fd"),
)


def _text(answer: Answer) -> Iterator[str]:
    return answer.table(_COLUMNS)


REPORT = Report(
    compute,
    text=_text,
    options=(at_option(), limit_option()),
    flags=NOT_OFFERED,
    empty="no socket is known to be open then",
    help="""List the sockets that processes had at a time of the recording, as netstat -p does.

    STATE is CONNECTED where a peer is known, and LISTEN after a listen.""",
)
