"""syscount: system calls counted, or timed, by call or by process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.bcc import syscount_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import time_of_day, zone_notes
from bpfrec.analyze.reports.option_types import ErrnoNumber, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    failures: bool = False,
    errno: int | None = None,
    process: bool = False,
    latency: bool = False,
    top: int = 10,
) -> Result:
    """Counts of the calls that returned, the most frequent first, or with ``latency`` those that took most time.

    ``failures``: another name of the filter's ``failed``. ``errno``: only calls that returned -errno. ``process``: by
    process, not by call. ``top``: at most this many rows, 0 for all.
    Columns: syscall (or pid, comm), count and, with ``latency``, total_ns.

    Calls that never returned are not counted, as bcc counts at the exit of a call; a note says how many there were.
    """
    calls = replace(calls, failed=calls.failed or failures)
    chosen = [Fragment("s.ret IS NOT NULL"), *calls.conditions(trace.manifest, "s")]
    if errno is not None:
        chosen.append(Fragment(f"s.ret = {literal(-errno)}"))
    sql = render(
        "syscount",
        process=process,
        latency=latency,
        top=top,
        where=where(chosen),
        measure=Fragment("total_ns" if latency else "count"),
        key=Fragment("s.pid" if process else "s.syscall"),
    )
    result = trace.query(sql)
    if not calls.failed and errno is None:
        open_calls = f"SELECT count(*) FROM syscalls AS s WHERE s.ret IS NULL AND {calls.where(trace.manifest, 's')}"  # noqa: S608 - only literals
        if unfinished := trace.query(open_calls).rows[0][0]:
            result.notes.append(f"calls that never returned, which are not counted: {unfinished}")
    return result


def _settle(options: Options) -> Options:
    if options["counts"] and (options["process"] or options["latency"]):
        raise click.UsageError(f"-c counts by system call and contradicts {'-P' if options['process'] else '-L'}.")
    if options["milliseconds"] and not options["latency"]:
        raise click.UsageError("-m says how -L shows times and needs -L.")
    return options


def _text(answer: Answer) -> Iterator[str]:
    options = answer.options
    clock = time_of_day(answer.trace.manifest.stop_ns, answer.trace.manifest)
    return syscount_table(
        answer.result.records(), clock, options["process"], options["latency"], options["milliseconds"]
    )


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    settle=_settle,
    flags={"failed": ("-x", "--failed", "--failures")},
    options=(
        click.Option(["-c", "--counts"], is_flag=True, help="Count by system call. This is the default."),
        click.Option(["-P", "--process"], is_flag=True, help="Count by process, not by system call."),
        click.Option(["-L", "--latency"], is_flag=True, help="Also show the time spent in the calls, and sort by it."),
        click.Option(["-m", "--milliseconds"], is_flag=True, help="With -L: show milliseconds, not microseconds."),
        click.Option(
            ["-e", "--errno"], type=ErrnoNumber(), help="Only calls that failed with this error: ENOENT, or 2."
        ),
        top_option(10),
    ),
    help="""Count system calls, or their time, as bcc's syscount does.

    Calls that never returned are not counted; a remark on standard error says how many there were.""",
)
