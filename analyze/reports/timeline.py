"""timeline: what one thread did around a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.timeline_lines import timeline_lines
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.call_texts import call_texts
from bpfrec.analyze.reports.moments import event_of, moment_ns
from bpfrec.analyze.reports.option_types import Count, Time, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.reports.socket_names import socket_names
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.roles import calls_that

_SECOND_NS = 1_000_000_000
_LEAST_NS = 50_000
"""A call that takes less is not called a wait."""
_NEAR_NS = 50_000_000
"""Without a span, the busiest thread is the one with the most calls no further from the moment."""
_MOST = 120
"""Characters of a call that are shown on a terminal."""


@dataclass
class Timeline(Result):
    """The rows, with the thread that they are about, and the call that they are around, if it is one."""

    tid: int = 0
    pid: int = 0
    event_id: int | None = None


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    around: str | float | None = None,
    context: int = 10,
    span_s: float | None = None,
    top: int = 0,
) -> Timeline:
    """What one thread did, in the order of time, and what happened to it.

    ``around``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the call that took longest.
    The thread is the one that ``calls`` names, else that of the call ``around``, else the one with most calls near the
    moment. ``context``: this many of its calls before and after. ``span_s``: instead, those that were in progress
    within so many seconds before and after. ``top``: at most this many rows, 0 for all.
    Columns: kind (call, signal, wake, birth, exec, end), offset_ns, gap_ns, event_id, ts, pid, tid, comm, syscall,
    what, ret, errno, duration_ns, waited_for, woken_by. Births, executions and ends are those of the process and its
    children.

    Raises:
        ReportError: ``around`` is no moment of the trace, or several threads are named.
    """
    if len(calls.tids) > 1:
        raise ReportError("a timeline has one thread", "Give one: -t TID")
    where = calls.where(trace.manifest)
    if around is None:
        longest = _first(trace, f"{where} ORDER BY duration_ns DESC NULLS LAST, ts_ns, event_id LIMIT 1", "event_id")
        around = 0.0 if longest is None else f"event:{longest}"
    around_ns = moment_ns(around, trace)
    event_id = event_of(around)
    span_ns = None if span_s is None else round(span_s * _SECOND_NS)
    tid = calls.tids[0] if calls.tids else _thread(trace, where, event_id, around_ns, span_ns or _NEAR_NS)
    pid = _first(trace, f"tid = {literal(tid)} LIMIT 1", "pid") or 0
    values = {
        "where": where,
        "tid": tid,
        "pid": pid,
        "around_ns": around_ns,
        "span_ns": span_ns,
        "context": context,
        "least_ns": _LEAST_NS,
        "least_us": _LEAST_NS // 1_000,
        "stop_ns": trace.manifest.stop_ns,
        "sending": calls_that("writes", "sends"),
        "executing": calls_that("executes"),
        "wall_offset_ns": wall_offset_ns(trace.manifest),
        "top": top,
    }
    chosen = Fragment(render("timeline_chosen", **values))
    texts = call_texts(trace, f"{chosen} SELECT event_id FROM chosen")  # noqa: S608 - ours
    found = trace.query(render("timeline", chosen=chosen, texts=texts, given=socket_names()["given"], **values))
    return Timeline(
        found.columns, found.types, found.source, found.sql, found.notes, tid=tid, pid=pid, event_id=event_id
    )


def _thread(trace: Queries, where: str, event_id: int | None, around_ns: int, near_ns: int) -> int:
    if event_id is not None:
        return _first(trace, f"event_id = {literal(event_id)}", "tid") or 0
    near = f"ts_ns BETWEEN {around_ns - near_ns} AND {around_ns + near_ns}"
    busiest = _first(trace, f"{where} AND {near} GROUP BY tid ORDER BY count(*) DESC, tid LIMIT 1", "tid")
    # There may be none near it: then the one whose call is next to it.
    return busiest or _first(trace, f"{where} ORDER BY abs(ts_ns - {around_ns}), event_id LIMIT 1", "tid") or 0


def _first(trace: Queries, condition: str, column: str) -> int | None:
    rows = trace.query(f"SELECT {column} FROM syscalls WHERE {condition}").rows  # noqa: S608 - ours
    return int(rows[0][0]) if rows and rows[0][0] is not None else None


def _settle(options: Options) -> Options:
    if len(options["tid"]) > 1:
        raise click.UsageError("A timeline has one thread: give one -t TID.")
    return options


def _text(answer: Answer) -> Iterator[str]:
    result = answer.result
    assert isinstance(result, Timeline)  # noqa: S101
    most = None if answer.width is None or answer.options["full"] else _MOST
    return timeline_lines(result.records(), result.tid, result.pid, result.event_id, answer.width, most, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    options=(
        click.Option(
            ["--around"],
            metavar="MOMENT",
            help="The time: 1.5 or 500ms from the start, 10:03:15 (UTC), event:1234. [the call that took longest]",
        ),
        click.Option(
            ["-C", "--context"],
            type=Count(),
            metavar="N",
            default=10,
            show_default=True,
            help="How many calls of the thread before and after.",
        ),
        click.Option(
            ["--span", "span_s"],
            type=Time(),
            metavar="TIME",
            help="Instead of -C: all calls within this time before and after: 20ms.",
        ),
        click.Option(["--full"], is_flag=True, help="Do not shorten calls on a terminal."),
        top_option(0),
    ),
    help="""Show what one thread did around a time or a call, in order of time.

    \b
    timeline --around event:1234
    timeline --around 10:03:15.2 -t 4242 --span 20ms

    The thread is that of -t, else that of the call, else the one with most calls near the time. AT is the distance from
    the moment, GAP the time since the call before: the thread's own code ran, or it did not run. The bar shows where
    the call lies in all the time that is shown. Below a wait stands what it was for, and who ended it, if the trace
    knows. Signals that the thread was given, and births, executions and ends of children stand in between. On a
    terminal long calls are cut; --full shows them whole.""",
)
