"""startup: what the first seconds of a process went to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.text_columns import Duration, TextColumn, duration, text_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.network import INTERNET
from bpfrec.analyze.reports.option_types import Time, limit_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.kernel.roles import calls_that

_IDLE_S = 0.5
_STEPS = 20
"""Equal parts of the time, from which phases are made."""

_WAITING = (
    *("accept", "accept4", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "ppoll_time64", "select"),
    *("_newselect", "pselect6", "pselect6_time64", "io_uring_enter", "io_getevents", "io_pgetevents"),
    *("pause", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64", "msgrcv", "semop", "semtimedop"),
)
_CHILDREN = (*calls_that("forks"), "wait4", "waitid", "waitpid")
_MEMORY = (
    *("brk", "mmap", "mmap2", "munmap", "mprotect", "madvise", "mremap", "mlock", "mlock2", "munlock", "mlockall"),
    *("membarrier", "msync", "mincore", "pkey_mprotect", "mbind", "set_mempolicy"),
)
_NETWORKING = (
    *("socket", "socketpair", "bind", "listen", "connect", "getsockname", "getpeername", "setsockopt", "getsockopt"),
    *("sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "shutdown"),
)
_READING = (*calls_that("reads"), *calls_that("receives"), "recvmmsg")


def compute(
    trace: Queries, calls: CallFilter, *, idle_s: float = _IDLE_S, for_s: float | None = None, top: int = 0
) -> Result:
    """Where the time of a process went from its first exec until it waited for work, for at least ``idle_s`` seconds.

    ``calls`` chooses the processes, those in which a call is chosen; without a choice it is the process that executed a
    program first. What its main thread did is looked at. A process that was there before begins with its first call.
    ``for_s``: at most so many seconds. ``top``: at most so many rows of each part of a process, 0 for all.
    Columns: part, pid, comm, begin_ts, is_exec, until, whole_ns, offset_ns, time_ns, share, kind, kind_ns, calls,
    failed, object, object_ns. All rows of a part of a process are together the whole time.
    """
    manifest = trace.manifest
    sql = render(
        "startup",
        where=calls.where(manifest),
        within=CallFilter(since=calls.since, until=calls.until).where(manifest),
        several=calls != CallFilter(),
        executing=calls_that("executes"),
        children=_CHILDREN,
        waiting=_WAITING,
        memory=_MEMORY,
        networking=_NETWORKING,
        reading=_READING,
        internet=INTERNET,
        idle_ns=round(idle_s * 1e9),
        for_ns=None if for_s is None else round(for_s * 1e9),
        stop_ns=manifest.stop_ns,
        steps=_STEPS,
        wall_offset_ns=wall_offset_ns(manifest),
        top=top,
    )
    return trace.query(sql, _notes(manifest.configuration), lazy=True)


def _notes(configuration: dict[str, Any]) -> list[str]:
    narrowed = isinstance(configuration.get("events"), list) or configuration.get("failed_only")
    return ["calls that were not to be recorded count as own code"] if narrowed else []


def _share(row: Any) -> str:
    return f"{row['share'] or 0:.1f}%"


def _most(row: Any) -> str | None:
    return None if row["object"] is None else f"{row['object']} {Duration(row['object_ns'])}"


_KINDS = (
    TextColumn("TIME", duration("time_ns")),
    TextColumn("SHARE", _share),
    TextColumn("CALLS", "calls"),
    TextColumn("FAILED", "failed"),
    TextColumn("KIND", "kind"),
    TextColumn("MOST OF IT", _most),
)
_PHASES = (
    TextColumn("FROM", duration("offset_ns")),
    TextColumn("TIME", duration("time_ns")),
    TextColumn("SHARE", _share),
    TextColumn("CALLS", "calls"),
    TextColumn("MOSTLY", lambda row: f"{row['kind']} {100 * row['kind_ns'] / max(row['time_ns'], 1):.0f}%"),
    TextColumn("MOST OF IT", _most),
)


def _text(answer: Answer) -> Iterator[str]:
    first = True
    rows = answer.counter.through(answer.result.records())
    for pid, of_process in groupby(rows, lambda row: row["pid"]):
        held = list(of_process)
        row = held[0]
        if not first:
            yield ""
        first = False
        begin = "its exec" if row["is_exec"] else "its first call"
        yield printable(
            f"{row['comm'] or '?'} ({pid}): {Duration(row['whole_ns'])} from {begin} at {row['begin_ts'][11:23]} (UTC)"
            f" until {row['until']}"
        )
        for part, columns in (("kind", _KINDS), ("phase", _PHASES)):
            yield ""
            yield from text_table(columns, [row for row in held if row["part"] == part], answer.width, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(
            ["--idle", "idle_s"],
            type=Time(),
            metavar="TIME",
            default=_IDLE_S,
            show_default=True,
            help="A wait this long is a wait for work and ends the start: seconds, or a time with a unit.",
        ),
        click.Option(
            ["--for", "for_s"],
            type=Time(),
            metavar="TIME",
            help="Look at no more than this: seconds, or a time with a unit.",
        ),
        limit_option(),
    ),
    empty="no process was chosen",
    help="""Show what the first seconds of a process went to: its main thread, from its exec until it waits for work.

    The first table sums up by kind: libraries, missing files, files, network, children, memory ...; own code is
    the time between calls. The second has the same time in its order, in phases.

    Without a choice it is the process that executed a program first; the options choose every process that made such
    a call.""",
)
