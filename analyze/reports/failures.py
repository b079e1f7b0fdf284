"""failures: calls that failed, and whether they succeeded later."""

from __future__ import annotations

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.text_columns import Record, TextColumn, clock
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Report, in_columns
from bpfrec.analyze.reports.socket_names import socket_names
from bpfrec.analyze.views.recording import wall_offset_ns


def compute(trace: Queries, calls: CallFilter, *, process: bool = False, top: int = 0) -> Result:
    """Failed calls by system call, error and object, the most frequent first; errors that say "not yet" stand last.

    The object is what a call is about: a path, resolved to an absolute one, the peer of a socket, or what else its
    descriptor is. ``process``: a row for each process. ``top``: at most this many rows, 0 for all.
    Columns: count, syscall, errno, path, processes, first_ts, last_ts, succeeded_later: whether in each of the
    processes a call of the same name about the same object entered after its last failure and worked;
    processes_succeeded: in how many of them; object, path_status, pid, comm, uid, not_yet. What worked later is looked
    for in the whole recording of a process.
    """
    manifest = trace.manifest
    later = CallFilter(pids=calls.pids, syscalls=calls.syscalls)
    names = socket_names()
    sql = render(
        "failures",
        where=calls.where(manifest),
        later=later.where(manifest),
        given=names["given"],
        object=Fragment(render("failed_object", **names)),
        wall_offset_ns=wall_offset_ns(manifest),
        process=process,
        top=top,
    )
    return trace.query(sql, lazy=True)


def _later(row: Record) -> str:
    succeeded, processes = row["processes_succeeded"], row["processes"]
    if succeeded == processes:
        return "worked"
    return f"in {succeeded} of {processes}" if succeeded else "-"


def _who(row: Record) -> str:
    if row["pid"] is None:
        return f"{row['processes']} processes"
    return str(row["pid"]) if row["comm"] is None else f"{row['comm']} {row['pid']}"


def _object(row: Record) -> str | None:
    status = row["path_status"]
    return row["object"] if status is None or row["object"] is not None else f"<{status}>"


_COLUMNS = (
    TextColumn("COUNT", "count"),
    TextColumn("CALL", "syscall"),
    TextColumn("ERROR", "errno"),
    TextColumn("FIRST (UTC)", clock("first_ts")),
    TextColumn("LAST (UTC)", clock("last_ts")),
    TextColumn("LATER", _later),
    TextColumn("PROCESS", _who),
    TextColumn("OBJECT", _object),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(
        click.Option(["-P", "--process"], is_flag=True, help="Show a row for each process."),
        top_option(0),
    ),
    help="""List failed calls by call, error and object, and whether the same call succeeded later.

    The object is what a call is about: an absolute path, the peer of a socket, a pipe. Times are UTC. LATER says
    "worked" if the process made the same call about the same object again after the last failure, and it worked. "in 1
    of 3" means that this is so in one of three processes. Errors that mean "not yet" (EAGAIN, EINPROGRESS)
    come last.""",
)
