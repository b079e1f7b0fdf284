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
from bpfrec.analyze.reports.option_types import Count, Time
from bpfrec.analyze.reports.report import Answer, Options, Report
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
    number: int | None = None,
    directory: str | None = None,
    only: str | None = None,
    top: int = 20,
) -> IntervalResult:
    """Reads and writes by thread and file, those with most of ``sort`` (a key of _SORTS) first.

    ``all_files``: also sockets, pipes and what else is no file. ``interval_s``: for each interval of this many seconds.
    ``number``: only the first so many intervals. ``duration_s``: only the first so many seconds. ``directory``: only
    files in this one, absolute, and not those in folders of it. ``only``: only ``reads``, or ``writes``.
    ``top``: at most this many rows for each interval, 0 for all.
    Columns: interval, tid, comm, reads, writes, bytes_read, bytes_written, kind, file.
    """
    reading, writing = calls_that("reads"), calls_that("writes")
    moving = {None: (*reading, *writing), "reads": reading, "writes": writing}[only]
    times = intervals(trace.manifest, interval_s, duration_s, number)
    sql = render(
        "filetop",
        where=where([*calls.conditions(trace.manifest), *times.conditions(RETURN)]),
        interval=times.number(RETURN),
        reading=reading,
        writing=writing,
        moving=moving,
        directory=None if directory is None else directory.rstrip("/") + "/",
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


_ARGUMENTS = "give filetop [INTERVAL [COUNT]] [TRACE]: 1 (second) or 500ms, and how many tables."


def _settle(options: Options) -> Options:
    words = options["arguments"]
    if len(words) > 2:
        raise click.UsageError(f"{words[2]!r} is one argument too many: {_ARGUMENTS}")
    if words and options["interval_s"] is not None:
        raise click.UsageError(f"-i and the argument {words[0]} both are the interval; give one.")
    if options["read_only"] and options["write_only"]:
        raise click.UsageError("--read-only and --write-only contradict each other.")
    settled = {"only": "reads" if options["read_only"] else "writes" if options["write_only"] else None}
    try:
        settled |= {"interval_s": Time(least=1e-6)(words[0])} if words else {}
        settled |= {"number": Count(1)(words[1])} if words[1:] else {}
    except click.BadParameter as error:
        raise click.UsageError(f"{error.message}; {_ARGUMENTS}") from None
    if (options["directory"] or "/")[0] != "/":
        raise click.UsageError(
            f"-d {options['directory']}: -d takes a folder, as an absolute path; a time is --duration."
        )
    return options | settled


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    settle=_settle,
    options=(
        click.Argument(["arguments"], metavar="[INTERVAL [COUNT]]", nargs=-1),
        interval_option(),
        # bcc's -d is a directory.
        duration_option(""),
        click.Option(["-d", "--directory"], metavar="PATH", help="Only files directly in this folder."),
        flag(["--read-only"], "Only reads."),
        flag(["--write-only"], "Only writes."),
        flag(["-a", "--all-files"], "Also sockets, pipes and other things that are not files."),
        click.Option(
            ["-s", "--sort"],
            type=click.Choice(list(_SORTS)),
            default="all",
            show_default=True,
            help="The column to sort by.",
        ),
        click.Option(
            ["-r", "--maxrows", "--limit", "-T", "top"],
            type=Count(),
            metavar="N",
            default=20,
            show_default=True,
            help="Show at most this many rows; 0 shows all.",
        ),
        flag(["-C", "--noclear"], "Ignored: the screen is never cleared."),
    ),
    help="""Show the files that were read and written most, by thread, as bcc's filetop does.

    INTERVAL prints a table for each interval of this length, as -i does, and COUNT says how many. Without them there is
    one table for the whole recording. The load of the machine is not in a trace. json and csv have
    absolute names.""",
)
