"""calls: every call in the order of time, as strace lists them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.call_lines import call_lines
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import moment_ns
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.formats.errors import ReportError


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    around: str | float | None = None,
    context: int = 10,
    stack: bool = False,
    top: int = 0,
) -> Result:
    """The calls by the time of their entry, each as the text that strace would write.

    ``around``: only the ``context`` calls before and after one call, an event_id, or after a moment, as those of
    :func:`~bpfrec.analyze.reports.moments.moment_ns`; digits alone are an event_id. ``stack``: with the column stack.
    ``top``: at most this many calls, the first; 0 for all.
    Columns: event_id, ts, pid, tid, comm, syscall, call, ret, errno, duration_ns, stack.

    Raises:
        ReportError: ``around`` is neither a call of the trace nor a time.
    """
    around_ns = None if around is None else _around_ns(trace, around)
    chosen = calls.where(trace.manifest)
    parts = {"where": chosen, "around_ns": around_ns, "context": context, "top": top, "stack": stack}
    names = "SELECT DISTINCT syscall FROM syscalls WHERE abi = 'x86_64' AND {} ORDER BY syscall"
    near = [chosen]
    if around_ns is not None:
        ids = [row[0] for row in trace.query(render("calls", names=[], **(parts | {"stack": False}))).rows]
        near.append(Fragment(f"event_id IN {literal(ids)}"))
    wanted = [name for (name,) in trace.query(names.format(where(near))).rows if name]
    return trace.query(render("calls", names=wanted, **parts), lazy=True)


def _around_ns(trace: Queries, around: str | float) -> int:
    text = str(around)
    if not (text.isascii() and text.isdigit()):
        return moment_ns(around, trace.manifest)
    rows = trace.query(f"SELECT ts_ns FROM syscalls WHERE event_id = {literal(int(text[:18]))}").rows  # noqa: S608
    if not rows or rows[0][0] is None:
        raise ReportError(f"the trace has no call with event_id {text}", f"If you mean seconds, write {text}.0")
    return int(rows[0][0])


def _settle(options: Options) -> Options:
    if options["around"] is not None and options["top"]:
        raise click.UsageError("--around and -T contradict each other; -C says how many calls are shown around one.")
    return options


def _text(answer: Answer) -> Iterator[str]:
    around = str(answer.options["around"])
    marked = int(around) if around.isascii() and around.isdigit() else None
    return call_lines(answer.result.records(), marked, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    options=(
        click.Option(
            ["--around"],
            metavar="EVENT|MOMENT",
            help="Only calls around this one (an event_id), or around a time: 1.5, or 10:03:15 (UTC).",
        ),
        click.Option(
            ["-C", "--context"],
            type=click.IntRange(0),
            metavar="N",
            default=10,
            show_default=True,
            help="With --around: how many calls before and after.",
        ),
        click.Option(["-k", "--stack"], is_flag=True, help="Show the user stack of each call that has one."),
        top_option(0),
    ),
    help="""List every call in the order of time, with its arguments in words, as strace does.

    \b
    calls -p 4242 --from 1.5 --to 2
    calls --around 1234 -C 5
    calls --syscall connect -x -k

    A line has the time of entry (UTC), the thread, the call and its result, and the seconds it took.""",
)
