"""syscount: system calls counted, or timed, by call or by process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.bcc import name_columns, syscount_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import IntervalResult, duration_option, interval_option, intervals
from bpfrec.analyze.reports.moments import time_of_day, zone_notes
from bpfrec.analyze.reports.option_types import ErrnoNumber, refused_option, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.formats.units import whole_number

_COUNTS = -1
"""What ``-c`` without a number stands for."""


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    failures: bool = False,
    errno: int | None = None,
    ppid: int | None = None,
    process: bool = False,
    latency: bool = False,
    interval_s: float | None = None,
    duration_s: float | None = None,
    top: int = 10,
) -> IntervalResult:
    """Counts of the calls that returned, the most frequent first, or with ``latency`` those that took most time.

    ``failures``: another name of the filter's ``failed``. ``errno``: only calls that returned -errno. ``ppid``: only
    calls of processes with this parent. ``process``: by process, not by call. ``interval_s``: a count for each interval
    of this many seconds. ``duration_s``: only calls that returned in the first so many seconds. ``top``: at most this
    many rows for each interval, 0 for all.
    Columns: interval (from 1, with ``interval_s`` alone), syscall (or pid, comm), count and, with ``latency``,
    total_ns.

    Calls that never returned are not counted, as bcc counts at the exit of a call; a note says how many there were.
    """
    calls = replace(calls, failed=calls.failed or failures)
    shared = calls.conditions(trace.manifest, "s")
    if ppid is not None:
        shared.append(Fragment(f"s.pid IN (SELECT pid FROM processes WHERE ppid = {literal(ppid)})"))  # noqa: S608
    times = intervals(trace.manifest, interval_s, duration_s)
    returned = "s.ts_ns + s.duration_ns"
    chosen = [Fragment("s.ret IS NOT NULL"), *shared, *times.conditions(returned)]
    if errno is not None:
        chosen.append(Fragment(f"s.ret = {literal(-errno)}"))
    sql = render(
        "syscount",
        process=process,
        latency=latency,
        interval=None if interval_s is None else times.number(returned),
        top=top,
        where=where(chosen),
        measure=Fragment("total_ns" if latency else "count"),
        total=Fragment("sum(s.duration_ns)" if latency else "count(*)"),
        key=Fragment("s.pid" if process else "s.syscall"),
    )
    result = trace.query(sql)
    if not calls.failed and errno is None:
        open_calls = f"SELECT count(*) FROM syscalls AS s WHERE s.ret IS NULL AND {where(shared)}"  # noqa: S608 - only literals
        if unfinished := trace.query(open_calls).rows[0][0]:
            result.notes.append(f"calls that never returned, which are not counted: {unfinished}")
    return IntervalResult.of(result, times)


def _settle(options: Options) -> Options:
    ppid = options["ppid"]
    if ppid == _COUNTS and (options["process"] or options["latency"]):
        raise click.UsageError(
            f"-c without a number counts by system call and contradicts {'-P' if options['process'] else '-L'}."
        )
    if options["milliseconds"] and not options["latency"]:
        raise click.UsageError("-m says how -L shows times and needs -L.")
    return options | {"ppid": None if ppid == _COUNTS else ppid}


def _text(answer: Answer) -> Iterator[str]:
    options, result = answer.options, answer.result
    assert isinstance(result, IntervalResult)  # noqa: S101
    for end, rows in result.by_interval():
        clock = time_of_day(end, answer.trace.manifest)
        yield from syscount_table(rows, clock, options["process"], options["latency"], options["milliseconds"])


def _list(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """``-l``: the names of system calls."""
    if wanted and not ctx.resilient_parsing:
        from bpfrec.formats.kernel.syscalls import syscalls  # noqa: PLC0415

        for line in name_columns(name for name, call in syscalls().items() if "x86_64" in call.numbers):
            click.echo(line)
        ctx.exit()


class _Parent(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """The id of a parent process."""

    name = "ppid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if it is none."""
        if isinstance(value, int):
            return value
        number = whole_number(value, (1 << 31) - 1)
        if number is None:
            self.fail(f"{value!r} is no process id", param, ctx)
        return number


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    settle=_settle,
    flags={"failed": ("-x", "--failed", "--failures")},
    options=(
        click.Option(
            ["-c", "--ppid"],
            is_flag=False,
            flag_value=_COUNTS,
            type=_Parent(),
            metavar="[PPID]",
            help="Only processes with this parent. -c alone: count by system call, which is the default.",
        ),
        interval_option(),
        duration_option(),
        click.Option(["-P", "--process"], is_flag=True, help="Count by process, not by system call."),
        click.Option(["-L", "--latency"], is_flag=True, help="Also show the time spent in the calls, and sort by it."),
        click.Option(["-m", "--milliseconds"], is_flag=True, help="With -L: show milliseconds, not microseconds."),
        click.Option(
            ["-e", "--errno"], type=ErrnoNumber(), help="Only calls that failed with this error: ENOENT, or 2."
        ),
        top_option(10),
        refused_option(["--exec"], "record the command: bpfrec record --report syscount -- COMMAND."),
        click.Option(
            ["-l", "--list"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_list,
            help="List the names of system calls.",
        ),
    ),
    help="""Count system calls, or their time, as bcc's syscount does.

    Calls that never returned are not counted; a remark on standard error says how many there were.""",
)
