"""failed-opens: the files that could not be opened."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.bcc import path_text
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.shorten import fitted
from bpfrec.analyze.render.text_columns import NOTHING, Record, TextColumn, clock
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.opensnoop import OPEN_CALLS
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Report, in_columns
from bpfrec.analyze.views.recording import wall_offset_ns

_MOMENT_NS = 250_000_000
"""Two tries of a search are no further apart. Most are microseconds apart, on a slow disk milliseconds."""


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    process: bool = False,
    searches: bool = False,
    stack: bool = False,
    top: int = 0,
) -> Result:
    """Failed calls of open, openat, openat2 and creat by absolute path and error.

    Missing files that one program tried again stand first, then others, the most frequent first. Last stand searches
    that ended well: one thread tried the same name in several folders, one soon after the other, and the last try
    worked. Each search is one row; ``searches`` shows each path that it tried as a row of its own. ``process``: a row
    for each process. ``stack``: with the columns stack_id and stack. ``top``: at most this many rows, 0 for all.
    Columns: count, errno, comm, pid, path, path_status, first_ts, last_ts, resolved_path, uid, processes, tries,
    retried, exists_later, other_name, tried, found, stack_id, stack. What was opened later is looked for in the whole
    recording.
    """
    sql = render(
        "failed_opens",
        opens=list(OPEN_CALLS),
        where=calls.where(trace.manifest),
        moment_ns=_MOMENT_NS,
        wall_offset_ns=wall_offset_ns(trace.manifest),
        process=process,
        searches=searches,
        stack=stack,
        merged=Fragment(render("failed_opens_merged", stack=stack)),
        top=top,
    )
    return trace.query(sql, lazy=True)


def _later(row: Record) -> object:
    if row["exists_later"]:
        return "opened"
    return "elsewhere" if row["found"] or row["other_name"] else NOTHING


def _path(row: Record) -> str:
    path = path_text(row["resolved_path"] or row["path"], row["path_status"])
    if row["found"] is not None:
        tried = f"not in {row['tried']} folders, " if row["tried"] > 1 else ""
        return f"{path} ({tried}found: {printable(row['found'])})"
    if row["other_name"] is not None and not row["exists_later"]:
        return f"{path} (opened later: {printable(row['other_name'])})"
    return path


_COLUMNS = (
    TextColumn("COUNT", "count"),
    TextColumn("ERROR", "errno"),
    TextColumn("PID", "pid"),
    TextColumn("COMM", lambda r: f"{r['processes']} processes" if r["pid"] is None else r["comm"]),
    TextColumn("FIRST (UTC)", clock("first_ts")),
    TextColumn("LAST (UTC)", clock("last_ts")),
    TextColumn("LATER", _later),
    TextColumn("PATH", _path),
)


def _text(answer: Answer) -> Iterator[str]:
    if not answer.options["stack"]:
        yield from in_columns(_COLUMNS)(answer)
        return
    for row in answer.result.records():
        who = f"{row['processes']} processes" if row["pid"] is None else f"{row['comm'] or '?'} {row['pid']}"
        yield f"{row['count']} x {printable(str(row['errno']))}, {printable(who)}: {_path(row)}"
        for frame in (row["stack"] or "no stack was taken").splitlines():
            shown = printable(frame)
            yield f"    > {shown if answer.width is None else fitted(shown, answer.width - 6)}"
        yield ""


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(["-P", "--process"], is_flag=True, help="Show a row for each process."),
        click.Option(
            ["--searches"],
            is_flag=True,
            help="Show each path that a search tried before it found the file, not one row for the search.",
        ),
        click.Option(["-k", "--stack"], is_flag=True, help="Show where each was tried from: the most frequent stack."),
        top_option(0),
    ),
    help="""List the files that could not be opened: who tried, how often, from when to when (UTC), and what came later.

    An open is a call of open, openat, openat2 or creat. Missing files that one
    program tried again come first. LATER says
    "opened" if somebody opened the file after the last failure, and "elsewhere" if the process opened a file of the
    same name in another folder. A search is one row at the end: one thread tried the same name in several folders,
    until it found it. --searches shows all that it tried.""",
)
