"""waiting: where threads spent their time in calls that took long, by call and by what was waited for."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.text_columns import TextColumn, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import least_option, top_option
from bpfrec.analyze.reports.report import Report, in_columns
from bpfrec.analyze.reports.socket_names import socket_names

_LEAST_US = 100.0


def compute(trace: Queries, calls: CallFilter, *, least_us: float = _LEAST_US, top: int = 0) -> Result:
    """Time in calls that took at least ``least_us`` microseconds, by call and object, the most time first.

    A call that was in progress when the recording stopped counts until then. ``top``: at most this many rows, 0 for
    all.
    Columns: total_ns, calls, max_ns, still, threads, processes, syscall, object.
    """
    sql = render(
        "waiting",
        where=calls.where(trace.manifest),
        least_ns=round(least_us * 1_000),
        stop_ns=trace.manifest.stop_ns,
        **socket_names(),
        top=top,
    )
    return trace.query(sql, lazy=True)


_COLUMNS = (
    TextColumn("TIME (ms)", scaled("total_ns", 1e6)),
    TextColumn("CALLS", "calls"),
    TextColumn("LONGEST", scaled("max_ns", 1e6)),
    TextColumn("STILL", "still"),
    TextColumn("THREADS", "threads"),
    TextColumn("CALL", "syscall"),
    TextColumn("WAITED FOR", "object"),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(
        least_option(_LEAST_US, "calls that took"),
        top_option(20),
    ),
    help="""Show where threads waited: time in long calls, by call and by what was waited for.

    Times are in milliseconds. STILL counts calls that were waiting when the recording stopped; their time counts until
    then. A sleep, or a wait for the next request, is a wait too: it tells what a thread does when it does nothing.""",
)
