"""leaks: descriptors that were opened and never closed, by the stack of the call that made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.names.openings import LEFT_AT_EXIT, NOT_KNOWN, OPEN, openings
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.shorten import fitted
from bpfrec.analyze.render.stack_blocks import frame_lines
from bpfrec.analyze.render.text_columns import TextColumn, clock, fitting_table, text_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.network import INTERNET
from bpfrec.analyze.reports.opened import at_option, time_ns
from bpfrec.analyze.reports.option_types import Count, top_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.reports.stacks import stack_paths, stack_remedy
from bpfrec.analyze.views.recording import wall_offset_ns

_LEAST = 2
_MOST_NAMES = 3
"""Names in one folder that are shown one by one."""

_INDENTED = 6


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    at: str | float | None = None,
    least: int = _LEAST,
    ended: bool = False,
    top: int = 20,
) -> Result:
    """Descriptors that calls made and that are open at ``at``, by process, call, name and stack, the most first.

    ``calls`` chooses the calls that made them. ``at``: a moment as of
    :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording. ``least``: only rows with at
    least so many. ``ended``: those that were open when their process ended count as well. ``top``: at most this many
    rows, 0 for all.
    Columns: open, left_at_exit, opened, closed, unknown, pid, comm, syscall, name, example, first_ts, last_ts, status,
    frames. Notes say of how many descriptors the trace cannot tell whether they are open, and why.
    """
    manifest = trace.manifest
    chosen = calls.conditions(manifest, "s")
    kept = (OPEN, LEFT_AT_EXIT) if ended else (OPEN,)
    found = openings(trace, time_ns(trace, at))
    trace.execute(
        "CREATE OR REPLACE TEMP TABLE world_openings"
        " (event_id BIGINT, pid INTEGER, fd INTEGER, name VARCHAR, state VARCHAR, reason VARCHAR)"
    )
    trace.append("world_openings", found.rows)
    groups = trace.query(
        render("leaks_groups", where=where(chosen), internet=INTERNET, kept=kept, most_names=_MOST_NAMES)
    ).rows
    notes = _notes(trace, chosen, found.before, ended)
    trace.execute("DROP TABLE world_openings")
    sql = render(
        "leaks",
        rows=Fragment(", ".join(literal(tuple(row)) for row in groups)),
        paths=stack_paths("SELECT stack_id::BIGINT FROM counted"),
        measure=Fragment("sum(open) + sum(left_at_exit)" if ended else "sum(open)"),
        least=max(least, 1),
        wall_offset_ns=wall_offset_ns(manifest),
        top=top,
    )
    return trace.query(sql, notes, lazy=True)


def _notes(trace: Queries, chosen: list[Fragment], before: int, ended: bool) -> list[str]:
    calls = f"JOIN syscalls AS s ON s.event_id = o.event_id WHERE {where(chosen)}" if chosen else ""
    query = f"SELECT o.state, o.reason, count(*) FROM world_openings AS o {calls} GROUP BY ALL ORDER BY ALL"  # noqa: S608 - only literals
    unknown: Counter[str] = Counter()
    states: Counter[str] = Counter()
    for state, reason, count in trace.query(query).rows:
        states[state] += count
        if state == NOT_KNOWN:
            unknown[reason] += count
    notes = [
        f"of {count} descriptors it is not known whether they were closed: {REASONS[reason]}"
        for reason, count in unknown.most_common()
    ]
    if before:
        notes.append(f"open when recording began and still, not counted, for no call made them: {before}")
    if states[LEFT_AT_EXIT] and not ended:
        notes.append(f"open when their process ended, which --ended counts: {states[LEFT_AT_EXIT]}")
    return notes


_COLUMNS = (
    TextColumn("OPEN", lambda row: row["open"] + row["left_at_exit"]),
    TextColumn("OPENED", "opened"),
    TextColumn("CLOSED", "closed"),
    TextColumn("PID", "pid"),
    TextColumn("COMM", "comm"),
    TextColumn("CALL", "syscall"),
)
_NAME = TextColumn("NAME", "name")
_TIMES = (TextColumn("FIRST (UTC)", clock("first_ts")), TextColumn("LAST (UTC)", clock("last_ts")))


def _shown(row: dict[str, Any], ended: bool) -> dict[str, Any]:
    return row if ended else row | {"left_at_exit": 0}


def _text(answer: Answer) -> Iterator[str]:
    ended = answer.options["ended"]
    rows = [_shown(row, ended) for row in answer.result.records()]
    list(answer.counter.through(rows))
    if not answer.options["stack"]:
        yield from fitting_table((*_COLUMNS, *_TIMES, _NAME), (*_COLUMNS, _NAME), rows, answer.width, answer.paint)
        return
    heading, rule, *lines = text_table((*_COLUMNS, *_TIMES, _NAME), rows, None, answer.paint)
    yield from (heading, rule)
    for line, row in zip(lines, rows, strict=True):
        yield line
        room = None if answer.width is None else answer.width - _INDENTED
        for frame in frame_lines(row["frames"], row["status"]):
            yield f"    {printable(frame if room is None else fitted(frame, room))}"


def _remarks(answer: Answer) -> list[str]:
    if not answer.options["stack"]:
        return []
    bare = sorted({str(row["syscall"]) for row in answer.result.records() if not row["frames"]})
    return stack_remedy(answer.trace, [Fragment(f"syscall IN {literal(bare)}")]) if bare else []


REPORT = Report(
    compute,
    text=_text,
    remarks=_remarks,
    options=(
        at_option(),
        click.Option(
            ["--least"],
            type=Count(1),
            metavar="N",
            default=_LEAST,
            show_default=True,
            help="Only what is open at least N times.",
        ),
        click.Option(["--ended"], is_flag=True, help="Also count what processes had open when they ended."),
        click.Option(["-k", "--stack"], is_flag=True, help="Show below each row the user stack of the calls."),
        top_option(20),
    ),
    empty="no descriptor was opened so often and is still open",
    help="""List descriptors that were opened and never closed, by process, call, name and call stack, the most first.

    OPEN is how many of those that the calls made (OPENED) are open at the end, or at --at. What is opened once and
    kept, such as a log, is left out: --least 1 shows it. Rows of one stack whose names differ in numbers, or are many
    in one folder, are one. A server that serves many clients has many descriptors open: compare two times.""",
)
