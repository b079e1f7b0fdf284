"""failed-opens: the files that could not be opened."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.bcc import path_text
from bpfrec.analyze.render.text_columns import TextColumn, clock
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.opensnoop import OPEN_CALLS
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Report, in_columns


def compute(trace: Queries, calls: CallFilter, *, top: int = 0) -> Result:
    """Failed calls of open, openat, openat2 and creat by thread name, process, path and error, the most frequent first.

    ``top``: at most this many rows, 0 for all.
    Columns: count, errno, comm, pid, path, path_status, first_ts, last_ts, resolved_path, uid.
    """
    sql = render("failed_opens", opens=list(OPEN_CALLS), where=calls.where(trace.manifest), top=top)
    return trace.query(sql, lazy=True)


_COLUMNS = (
    TextColumn("COUNT", "count"),
    TextColumn("ERROR", "errno"),
    TextColumn("PID", "pid"),
    TextColumn("COMM", "comm"),
    TextColumn("FIRST (UTC)", clock("first_ts")),
    TextColumn("LAST (UTC)", clock("last_ts")),
    TextColumn("PATH", lambda r: path_text(r["resolved_path"] or r["path"], r["path_status"])),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(top_option(0),),
    help="""List the files that could not be opened: who tried, how often, from when to when (UTC).

    An open is a call of open, openat, openat2 or creat.""",
)
