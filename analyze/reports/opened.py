"""What lsof and netstat share: what processes had open at a time of the recording."""

from __future__ import annotations

from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.names.resolve import opened_at
from bpfrec.analyze.reports.call_filter import CallFilter, path_condition
from bpfrec.analyze.reports.moments import moment_ns

_CALLS = "this is a list of what is open, not of calls; -p, -t, -u and -n choose processes, --path names."
_TIMES = "what is open is listed for one time: --at MOMENT."
REFUSES = {"syscall": _CALLS, "failed": _CALLS, "since": _TIMES, "until": _TIMES}
NOT_OFFERED = dict.fromkeys(REFUSES, ())
"""What chooses calls, not processes."""


def opened(
    trace: Queries, calls: CallFilter, template: str, /, at: str | float | None, top: int, **values: Any
) -> Result:
    """The rows of ``reports/TEMPLATE.sql`` about what chosen processes had open at ``at``.

    ``at``: a moment as of :func:`~bpfrec.analyze.reports.moments.moment_sql`; None for the end of the recording.
    ``calls`` chooses processes by pid, thread, user and name, and what is open by its name (``path``). The template
    gets ``opened``, a FROM with descriptors as ``o`` (pid, fd, name) and processes as ``p`` (comm, uid), ``at_ns``,
    ``where``, ``top``, and ``values``.
    """
    at_ns = time_ns(trace, at)
    chosen = CallFilter(pids=calls.pids).conditions(trace.manifest, "o")
    chosen += CallFilter(uids=calls.uids, name=calls.name).conditions(trace.manifest, "p")
    if calls.tids:
        threads = CallFilter(tids=calls.tids).where(trace.manifest)
        chosen.append(Fragment(f"o.pid IN (SELECT pid FROM threads WHERE {threads})"))  # noqa: S608 - only numbers
    if calls.paths:
        chosen.append(path_condition(calls.paths, ["o.name"]))
    rows = Fragment(", ".join(literal(tuple(row)) for row in opened_at(trace, at_ns)))
    source = Fragment(render("opened", rows=rows, at_ns=at_ns))
    return trace.query(render(template, opened=source, at_ns=at_ns, where=where(chosen), top=top, **values))


def time_ns(trace: Queries, at: str | float | None) -> int:
    """A moment in ns on CLOCK_MONOTONIC; None for the end of the recording."""
    return trace.manifest.stop_ns if at is None else moment_ns(at, trace)


def at_option() -> click.Option:
    """``--at``, a moment."""
    return click.Option(
        ["--at"],
        metavar="MOMENT",
        help="The time: 1.5 or 500ms from the start, 10:03:15 (UTC), event:1234. [the end of the recording]",
    )
