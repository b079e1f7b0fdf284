"""stacks: calls, time or failures by call stack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.shorten import fitted
from bpfrec.analyze.render.stack_blocks import stack_blocks
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.views.stack_text import MODULE, NAMES_ITS_LINE, function_name
from bpfrec.formats.errors import ReportError

MEASURES = {"calls": "calls", "time": "total_ns", "failures": "failures"}
"""What can be counted, and the column that has it."""

_NOT_ASKED = "none was asked for"
_INDENTED = 6
_MOST_CALLS = 4
"""That a remedy names one by one."""


def compute(trace: Queries, calls: CallFilter, *, by: str = "calls", lines: bool = False, top: int = 10) -> Result:
    """Call stacks, those with the most calls first, or with the most time or failures (``by``: a key of MEASURES).

    ``lines``: stacks differ by source line where it is known, not by function alone. ``top``: at most this many rows,
    0 for all. A stack is its functions and their modules: the same in every process.
    Columns: syscall, calls, failures, total_ns, share (percent of ``by``), status, frames. Notes count the calls that
    have no stack, and say why.

    Raises:
        ReportError: there is no such measure.
    """
    if by not in MEASURES:
        raise ReportError(f"stacks are not counted by {by}", f"There are: {', '.join(MEASURES)}")
    chosen = calls.conditions(trace.manifest)
    sql = render(
        "stacks",
        where=where(chosen),
        paths=stack_paths("SELECT stack_id FROM chosen", lines),
        measure=Fragment(MEASURES[by]),
        only_measured=by == "failures",
        top=top,
    )
    return trace.query(sql, missing_notes(trace, chosen, by), lazy=True)


def stack_paths(wanted: str, lines: bool = False) -> Fragment:
    """SQL of CTEs that end in ``paths``: stack_id and its frames as text, innermost first.

    ``wanted``: trusted SQL that gives the stacks; ``lines`` as of :func:`frame_text`.
    """
    return Fragment(render("stack_paths", wanted=Fragment(wanted), frame=frame_text(lines)))


def frame_text(lines: bool = False) -> Fragment:
    """SQL over a frame and ``shown``, its symbol demangled: the function and, in brackets, its module.

    ``lines``: with the source line, where it is known.
    """
    bracketed = f"CASE WHEN starts_with({MODULE}, '[') THEN {MODULE} ELSE '[' || {MODULE} || ']' END"
    module = f"CASE WHEN shown IS NOT NULL AND NOT {NAMES_ITS_LINE} THEN ' ' || {bracketed} END"
    return Fragment(f"concat({function_name(lines)}, {module})")


def missing_notes(trace: Queries, chosen: list[Fragment], by: str = "calls") -> list[str]:
    """What is not counted among the chosen calls: those without a stack, and for times those that did not return."""
    counted = [*chosen, Fragment("failed(ret)")] if by == "failures" else chosen
    query = f"""
        SELECT
            CASE WHEN stack_id IS NOT NULL THEN NULL ELSE coalesce(
                stack_status, CASE WHEN ret IS NULL THEN 'did not return' ELSE '{_NOT_ASKED}' END
            ) END AS reason,
            count(*) AS calls,
            count(*) FILTER (duration_ns IS NULL) AS endless
        FROM syscalls
        WHERE {where(counted)}
        GROUP BY reason
        ORDER BY calls DESC, reason
    """  # noqa: S608 - only literals
    rows = trace.query(query).rows
    without = [(reason, calls) for reason, calls, _ in rows if reason is not None]
    notes = []
    if without:
        what = "failed calls" if by == "failures" else "calls"
        missing, total = sum(calls for _, calls in without), sum(calls for _, calls, _ in rows)
        reasons = ", ".join(f"{_reason(trace, reason)} {calls}" for reason, calls in without)
        notes.append(f"no stack was recorded with {missing} of {total} {what}, which are not counted: {reasons}")
        if _NOT_ASKED in dict(without):
            notes += stack_remedy(trace, counted)
    endless = sum(number for reason, _, number in rows if reason is None)
    if endless and by == "time":
        notes.append(f"calls with a stack that did not return, whose time is not known: {endless}")
    return notes


def stack_remedy(trace: Queries, counted: list[Fragment]) -> list[str]:
    """With which option of record the calls ``counted`` that had no stack would have had one."""
    configuration = trace.manifest.configuration
    if configuration.get("stacks") == "off":
        return ["record without --stacks off to have stacks"]
    query = f"""
        SELECT syscall FROM syscalls
        WHERE stack_id IS NULL AND stack_status IS NULL AND ret IS NOT NULL AND {where(counted)}
        GROUP BY syscall ORDER BY count(*) DESC, syscall LIMIT {_MOST_CALLS + 1}
    """  # noqa: S608 - only literals
    calls = [str(name) for (name,) in trace.query(query).rows if name]
    choice = configuration.get("stack_on")
    given = [str(part) for part in choice] if isinstance(choice, list) and choice else ["failed", "paths"]
    wanted = "all" if len(calls) > _MOST_CALLS else ",".join([*(part for part in given if part != "none"), *calls])
    return [f"to have these stacks too: record --stack-on {wanted}"]


def _reason(trace: Queries, reason: str) -> str:
    configuration = trace.manifest.configuration
    if reason != _NOT_ASKED:
        return reason
    if configuration.get("stacks") == "off":
        return "--stacks off"
    choice = configuration.get("stack_on")
    return f"{reason} (--stack-on {','.join(map(str, choice))})" if isinstance(choice, list) and choice else reason


def _text(answer: Answer) -> Iterator[str]:
    rows: Iterable[dict[str, Any]] = answer.result.records()
    if answer.width is not None and not answer.options["full"]:
        room = answer.width - _INDENTED
        rows = (row | {"frames": [fitted(frame, room) for frame in row["frames"]]} for row in rows)
    return stack_blocks(rows, answer.options["by"], answer.width)


STACK_OPTIONS = (
    click.Option(
        ["--by"],
        type=click.Choice(list(MEASURES)),
        default="calls",
        show_default=True,
        help="What is counted: calls, the time in them, or failed calls.",
    ),
    click.Option(
        ["-l", "--lines"], is_flag=True, help="Tell the source lines of a function apart where they are known."
    ),
)
"""How stacks are measured; flame graphs have these options too."""

REPORT = Report(
    compute,
    text=_text,
    options=(
        *STACK_OPTIONS,
        click.Option(["--full"], is_flag=True, help="Do not shorten names of functions on a terminal."),
        top_option(10),
    ),
    help="""Count calls by call stack, or their time or failures: functions, innermost first, and below them the count.

    Percentages are of all the chosen calls that have a stack. Those that have none are counted on standard error. On a
    terminal, arguments and template arguments in names that are too wide for a line are "...".""",
)
