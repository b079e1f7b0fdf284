"""denied: what users were not permitted."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.text_columns import TextColumn, clock
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Report, in_columns


def compute(trace: Queries, calls: CallFilter, *, top: int = 0) -> Result:
    """Calls that failed with EPERM or EACCES, by user, thread name, process, call and object, the most frequent first.

    ``top``: at most this many rows, 0 for all.
    Columns: count, uid, comm, pid, syscall, errno, object, first_ts, last_ts.
    """
    return trace.query(render("denied", where=calls.where(trace.manifest), top=top), lazy=True)


_COLUMNS = (
    TextColumn("COUNT", "count"),
    TextColumn("UID", "uid"),
    TextColumn("PID", "pid"),
    TextColumn("COMM", "comm"),
    TextColumn("CALL", "syscall"),
    TextColumn("ERROR", "errno"),
    TextColumn("FIRST (UTC)", clock("first_ts")),
    TextColumn("OBJECT", "object"),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(top_option(0),),
    help="""List what users were not permitted: calls that failed with EPERM or EACCES, by user, process and object.

    It is for the questions that bcc's capable answers while they happen: which right a program lacks.""",
)
