"""pidstat: time in user code and in the kernel, each second."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.text_columns import Record, TextColumn, Word, text_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import moment_sql, time_of_day, zone_notes
from bpfrec.analyze.reports.offcpu import NOT_RECORDED
from bpfrec.analyze.reports.option_types import Time, limit_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.formats.errors import ReportError
from bpfrec.formats.schema import SCHED
from bpfrec.formats.trace_reader import table_rows

_MOST = 100_000
"""How many intervals there may be."""
_SECOND_NS = 1_000_000_000
_OF_THREADS = "this tells how long threads ran, not what they called; -p, -t, -u and -n choose threads."
_REFUSES = dict.fromkeys(("syscall", "failed", "path"), _OF_THREADS)


def compute(trace: Queries, calls: CallFilter, *, interval_s: float = 1, threads: bool = False, top: int = 0) -> Result:
    """Time in user code, in the kernel and waiting for a CPU, in per cent of one CPU, for each ``interval_s``.

    ``threads``: by thread, not by process. ``top``: at most this many rows, 0 for all. What a thread ran before it
    first left its CPU in the recording is not known, unless it was born in it.
    Columns: interval, end_s, uid, pid, tid, user_percent, system_percent, wait_percent, cpu_percent, cpu, comm.

    Raises:
        ReportError: there would be too many intervals.
    """
    manifest = trace.manifest
    length = max((manifest.stop_ns - manifest.start_ns) / _SECOND_NS, 1e-9)
    if interval_s <= 0 or length / interval_s > _MOST:
        raise ReportError(
            f"the recording has too many intervals of {interval_s:g} s",
            f"At most {_MOST:,} are answered: take longer ones.",
        )
    interval = Fragment(f"{interval_s!r}::DOUBLE")
    shown = CallFilter(name=calls.name).conditions(manifest)
    begin = f"number * {interval} * 1e9 + {literal(manifest.start_ns)}"
    shown += [Fragment(f"{begin} >= {moment_sql(calls.since, manifest)}")] if calls.since is not None else []
    shown += [Fragment(f"{begin} < {moment_sql(calls.until, manifest)}")] if calls.until is not None else []
    sql = render(
        "pidstat",
        where=CallFilter(pids=calls.pids, tids=calls.tids, uids=calls.uids).where(manifest, SCHED.name),
        # As DOUBLE, for the times of a damaged trace may be as far apart as no integer of 64 bits is.
        start_ns=Fragment(f"{literal(manifest.start_ns)}::DOUBLE"),
        length=Fragment(f"{length!r}::DOUBLE"),
        interval=interval,
        lasted=Fragment(f"least({interval}, {length!r} - number * {interval})"),
        threads=threads,
        shown=where(shown),
        top=top,
    )
    return trace.query(sql, [] if table_rows(manifest).get(SCHED.name, 0) else [NOT_RECORDED])


def _percent(column: str) -> TextColumn:
    heading = f"%{'usr' if column == 'user_percent' else column.removesuffix('_percent').replace('cpu', 'CPU')}"
    return TextColumn(heading, lambda row: None if row[column] is None else Word(f"{row[column]:.2f}"))


def _text(answer: Answer) -> Iterator[str]:
    """A table for each interval, with the time of its end, as pidstat prints them."""
    manifest = answer.trace.manifest

    def end(row: Record) -> Word:
        return Word(time_of_day(manifest.start_ns + round(row["end_s"] * _SECOND_NS), manifest))

    columns = (
        TextColumn("Time", end),
        TextColumn("UID", "uid"),
        *(
            [TextColumn("TGID", "pid"), TextColumn("TID", "tid")]
            if answer.options["threads"]
            else [TextColumn("PID", "pid")]
        ),
        *map(_percent, ("user_percent", "system_percent", "wait_percent", "cpu_percent")),
        TextColumn("CPU", "cpu"),
        TextColumn("Command", "comm"),
    )
    rows = answer.counter.through(answer.result.records())
    for number, (_, some) in enumerate(groupby(rows, lambda row: row["interval"])):
        if number:
            yield ""
        yield from text_table(columns, some, answer.width, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    options=(
        click.Option(
            ["--interval", "interval_s"],
            type=Time(least=1e-6),
            default="1",
            metavar="TIME",
            show_default=True,
            help="A table for each such time: 1 (second), 500ms.",
        ),
        click.Option(["--threads"], is_flag=True, help="Show threads, not processes."),
        limit_option(),
    ),
    flags=dict.fromkeys(_REFUSES, ()),
    refuses=_REFUSES,
    empty="no time on a CPU is known of what was chosen",
    help="""Show time in user code and in the kernel, each second, as pidstat -u does (record --sched).

    \b
    pidstat -p 4242
    pidstat --threads --interval 100ms

    All are per cent of one CPU. %CPU is exact to the microsecond; the kernel says by its ticks how much of it was user
    code, as it does in /proc.""",
)
