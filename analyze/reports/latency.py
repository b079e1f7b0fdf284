"""latency: how long system calls took."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.bcc import log2_histogram
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.text_columns import TextColumn, duration, fitting_table, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Report


def compute(trace: Queries, calls: CallFilter, *, histogram: bool = False, top: int = 0) -> Result:
    """Durations by system call, the one that took most time first; calls that never returned have none.

    ``top``: at most this many calls, 0 for all.
    Columns: syscall, count, total_ns, min_ns, p50_ns, p95_ns, p99_ns, max_ns; with ``histogram`` one row for every
    power of two that occurs: syscall, from_ns, to_ns, count.
    """
    template = "latency_histogram" if histogram else "latency"
    return trace.query(render(template, where=calls.where(trace.manifest), top=top))


_COLUMNS = (
    TextColumn("CALL", "syscall"),
    TextColumn("COUNT", "count"),
    TextColumn("TOTAL (us)", scaled("total_ns", 1e3)),
    TextColumn("MIN", scaled("min_ns", 1e3)),
    TextColumn("P50", scaled("p50_ns", 1e3)),
    TextColumn("P95", scaled("p95_ns", 1e3)),
    TextColumn("P99", scaled("p99_ns", 1e3)),
    TextColumn("MAX", scaled("max_ns", 1e3)),
)

_NARROW = (
    *_COLUMNS[:2],
    *(TextColumn(heading, duration(column)) for heading, column in (("TOTAL", "total_ns"), ("MIN", "min_ns"))),
    *(TextColumn(heading, duration(f"{heading.lower()}_ns")) for heading in ("P50", "P95", "P99", "MAX")),
)
"""For a terminal that is too narrow for microseconds."""


def _text(answer: Answer) -> Iterator[str]:
    if answer.options["histogram"]:
        yield from _histograms(answer.result)
    else:
        yield from fitting_table(_COLUMNS, _NARROW, answer.result.records(), answer.width, answer.paint)


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
        top_option(0),
    ),
    help="""Show how long calls took: least, median, percentiles, most, total; the most expensive call first.

    The table is in microseconds; on a narrow terminal each value has its own unit. Histograms, json and csv are in
    nanoseconds. Percentiles are exact.""",
)
