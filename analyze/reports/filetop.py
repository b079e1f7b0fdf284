"""filetop: the files that were read and written most."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.bcc_lines import Field, Record, bcc_lines
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import IntervalResult, duration_option, interval_option, intervals
from bpfrec.analyze.reports.moments import time_of_day, zone_notes
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.reports.snoop import RETURN, flag
from bpfrec.formats.kernel.roles import calls_that

_SORTS = {
    "all": "reads + writes + bytes_read + bytes_written",
    "reads": "reads",
    "writes": "writes",
    "rbytes": "bytes_read",
    "wbytes": "bytes_written",
}


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    all_files: bool = False,
    sort: str = "all",
    interval_s: float | None = None,
    duration_s: float | None = None,
    top: int = 20,
) -> IntervalResult:
    """Reads and writes by thread and file, those with most of ``sort`` (a key of _SORTS) first.

    ``all_files``: also sockets, pipes and what else is no file. ``interval_s``: for each interval of this many seconds.
    ``duration_s``: only the first so many seconds. ``top``: at most this many rows for each interval, 0 for all.
    Columns: interval, tid, comm, reads, writes, bytes_read, bytes_written, kind, file.
    """
    reading, writing = calls_that("reads"), calls_that("writes")
    times = intervals(trace.manifest, interval_s, duration_s)
    sql = render(
        "filetop",
        where=where([*calls.conditions(trace.manifest), *times.conditions(RETURN)]),
        interval=times.number(RETURN),
        reading=reading,
        writing=writing,
        moving=(*reading, *writing),
        all_files=all_files,
        sort=Fragment(_SORTS[sort]),
        top=top,
    )
    return IntervalResult.of(trace.query(sql), times)


def _name(row: Record) -> str | None:
    file: str | None = row["file"]
    return file if file is None or not file.startswith("/") else file.rpartition("/")[2]


_FIELDS = (
    Field("TID", -7, "tid"),
    Field("COMM", -16, "comm"),
    Field("READS", -6, "reads"),
    Field("WRITES", -6, "writes"),
    Field("R_Kb", -7, lambda row: row["bytes_read"] // 1024),
    Field("W_Kb", -7, lambda row: row["bytes_written"] // 1024),
    Field("T", 1, "kind"),
    Field("FILE", 0, _name, gap=""),
)


def _text(answer: Answer) -> Iterator[str]:
    result = answer.result
    assert isinstance(result, IntervalResult)  # noqa: S101
    for number, (end, rows) in enumerate(result.by_interval()):
        if number:
            yield ""
        yield f"{time_of_day(end, answer.trace.manifest):<8} loadavg: ?"
        yield ""
        yield from bcc_lines(_FIELDS, rows, answer.options)


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    options=(
        interval_option(),
        duration_option(),
        flag(["-a", "--all-files"], "Also sockets, pipes and what else is no file."),
        click.Option(
            ["-s", "--sort"],
            type=click.Choice(list(_SORTS)),
            default="all",
            show_default=True,
            help="What the most of stands first.",
        ),
        click.Option(
            ["-r", "--maxrows", "--limit", "-T", "top"],
            type=click.IntRange(0),
            metavar="N",
            default=20,
            show_default=True,
            help="Show at most this many rows; 0 shows all.",
        ),
        flag(["-C", "--noclear"], "Nothing: the screen is never cleared."),
    ),
    help="""Show the files that were read and written most, by thread, as bcc's filetop does.

    Without -i there is one table, for the whole recording. The load of the machine is not in a trace. json and csv have
    absolute names.""",
)
