"""lsof: what processes had open at a time of the recording."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.names.kinds import CWD, ROOT
from bpfrec.analyze.names.resolve import opened_at
from bpfrec.analyze.render.text_columns import TextColumn
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import moment_ns, moment_sql
from bpfrec.analyze.reports.option_types import limit_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.formats.manifest import Manifest

NOT_OFFERED = {"tid": (), "syscall": (), "failed": (), "since": (), "until": ()}
"""What chooses calls, not processes."""


def compute(trace: Queries, calls: CallFilter, *, at: str | float | None = None, top: int = 0) -> Result:
    """The descriptors, working and root directories that processes had at ``at``, by process and number.

    ``at``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording.
    The filter chooses processes by pid, user and name, and what is open by its name (``path``).
    ``top``: at most this many rows, 0 for all.
    Columns: pid, comm, uid, fd, descriptor, kind, name.
    """
    at_ns = time_ns(trace, at)
    chosen = CallFilter(pids=calls.pids).conditions(trace.manifest, "o")
    chosen += CallFilter(uids=calls.uids, name=calls.name).conditions(trace.manifest, "p")
    chosen += name_conditions(calls, "o.name")
    rows = [tuple(row) for row in opened_at(trace, at_ns)]
    sql = render(
        "lsof",
        rows=Fragment(", ".join(map(literal, rows))),
        at_ns=at_ns,
        cwd=CWD,
        root=ROOT,
        where=where(chosen),
        top=top,
    )
    return trace.query(sql)


def time_ns(trace: Queries, at: str | float | None) -> int:
    """A moment in ns on CLOCK_MONOTONIC; None for the end of the recording."""
    manifest: Manifest = trace.manifest
    if at is None:
        return manifest.stop_ns
    if str(at).strip().startswith("event:"):
        return int(trace.query(f"SELECT {moment_sql(at, manifest)}").rows[0][0])
    return moment_ns(at, manifest)


def name_conditions(calls: CallFilter, column: str) -> list[Fragment]:
    """SQL: whether ``column`` is like one of the filter's patterns of paths."""
    tests = []
    for pattern in calls.paths:
        shapes = [pattern] if "/" in pattern else [pattern, f"*/{pattern}"]
        tests += [f"coalesce({column} GLOB {literal(shape)}, FALSE)" for shape in shapes]
    return [Fragment(f"({' OR '.join(tests)})")] if tests else []


def at_option() -> click.Option:
    """``--at``, a moment."""
    return click.Option(
        ["--at"],
        metavar="MOMENT",
        help="The time: 1.5 or 500ms from the start, 10:03:15 (UTC), event:1234. [the end of the recording]",
    )


_COLUMNS = (
    TextColumn("COMMAND", "comm"),
    TextColumn("PID", "pid"),
    TextColumn("UID", "uid"),
    TextColumn("FD", "descriptor"),
    TextColumn("TYPE", "kind"),
    TextColumn("NAME", "name"),
)


def _text(answer: Answer) -> Iterator[str]:
    return answer.table(_COLUMNS)


REPORT = Report(
    compute,
    text=_text,
    options=(at_option(), limit_option()),
    flags=NOT_OFFERED,
    empty="nothing is known to be open then",
    help="""List what processes had open at a time of the recording, as lsof does: descriptors, cwd and root (rtd).

    It is what was open when recording began, and what the calls did since. What the trace cannot tell is left out, and
    a name that is not known is "-".""",
)
