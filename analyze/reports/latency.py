"""latency: how long system calls took."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.bcc import log2_histogram
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.latency_lines import new_maxima, slow_calls
from bpfrec.analyze.render.text_columns import TextColumn, duration, fitting_table, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.call_texts import call_texts
from bpfrec.analyze.reports.option_types import Count, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    histogram: bool = False,
    slowest: int = 0,
    maxima: bool = False,
    top: int = 0,
) -> Result:
    """Durations by system call, the one that took most time first; calls that never returned have none.

    ``top``: at most this many calls, 0 for all.
    Columns: syscall, count, total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns, errors, p90_ns; with ``histogram`` one
    row for every power of two that occurs: syscall, from_ns, to_ns, count.

    ``slowest``: instead the so many calls that took longest. ``maxima``: instead every call that took longer than all
    calls of the same name that returned before it, in the order of their returns. Columns of both: event_id, ts,
    end_ts, pid, tid, comm, syscall, duration_ns, before_ns (only with ``maxima``), errno, call (in words), stack_id,
    stack.

    Raises:
        ReportError: more than one of ``histogram``, ``slowest`` and ``maxima`` is asked for.
    """
    if (histogram, bool(slowest), maxima).count(True) > 1:
        raise ReportError("histogram, slowest and maxima are different answers", "Ask for one of them.")
    where = calls.where(trace.manifest)
    if slowest:
        return _single_calls(trace, render("latency_slowest", where=where, slowest=slowest), maxima=False, top=top)
    if maxima:
        return _single_calls(trace, render("latency_maxima", where=where), maxima=True, top=top)
    return trace.query(render("latency_histogram" if histogram else "latency", where=where, top=top))


def _single_calls(trace: Queries, chosen: str, *, maxima: bool, top: int) -> Result:
    sql = render(
        "latency_calls",
        chosen=Fragment(chosen),
        texts=call_texts(trace, chosen),
        maxima=maxima,
        wall_offset_ns=wall_offset_ns(trace.manifest),
        top=top,
    )
    return trace.query(sql)


_MEASURES = (
    ("TOTAL", "total_ns"),
    ("MIN", "min_ns"),
    ("P50", "p50_ns"),
    ("P90", "p90_ns"),
    ("P95", "p95_ns"),
    ("P99", "p99_ns"),
    ("MAX", "max_ns"),
)
_COUNTS = (TextColumn("CALL", "syscall"), TextColumn("COUNT", "count"), TextColumn("ERRORS", "errors"))
_COLUMNS = (
    *_COUNTS,
    TextColumn("TOTAL (us)", scaled("total_ns", 1e3)),
    *(TextColumn(heading, scaled(column, 1e3)) for heading, column in _MEASURES[1:]),
)

_NARROW = (
    *_COUNTS,
    *(TextColumn(heading, duration(column)) for heading, column in _MEASURES if heading not in ("MIN", "P95")),
)
"""For a terminal that is too narrow for microseconds."""


def _settle(options: Options) -> Options:
    if (options["histogram"], bool(options["slowest"]), options["maxima"]).count(True) > 1:
        raise click.UsageError("-H, --slowest and --maxima are different answers: ask for one of them.")
    return options


def _text(answer: Answer) -> Iterator[str]:
    rows = answer.result.records()
    if answer.options["histogram"]:
        yield from _histograms(answer.result)
    elif answer.options["slowest"]:
        yield from slow_calls(rows, answer.width, answer.paint)
    elif answer.options["maxima"]:
        yield from new_maxima(rows, answer.width, answer.paint)
    else:
        yield from fitting_table(_COLUMNS, _NARROW, rows, answer.width, answer.paint)


def _histograms(result: Result) -> Iterator[str]:
    for syscall, slots in groupby(result.records(), key=lambda r: r["syscall"]):
        yield f"syscall = {printable(str(syscall))}"
        yield from log2_histogram({r["to_ns"].bit_length(): r["count"] for r in slots}, "nsecs")
        yield ""


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(["-H", "--histogram"], is_flag=True, help="Show a histogram for every call instead."),
        click.Option(
            ["--slowest"],
            type=Count(),
            metavar="N",
            default=0,
            help="Show the N calls that took longest instead, with arguments and stacks.",
        ),
        click.Option(
            ["--maxima"],
            is_flag=True,
            help="Show instead each call that took longer than all earlier ones of its name.",
        ),
        top_option(0),
    ),
    settle=_settle,
    help="""Show how long calls took: how many there were and how many failed, total, minimum, percentiles, maximum.

    \b
    latency --syscall fdatasync -H
    latency --syscall %network --slowest 5
    latency --syscall read --maxima

    The most expensive call comes first. The table is in microseconds; on a narrow terminal each value has its own unit,
    and MIN and P95 are left out. Histograms, json and csv are in nanoseconds. Percentiles are exact.""",
)
