"""processes: which process started which, what it executed, how long it lived and how it ended."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.process_tree import process_tree
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import moment_sql
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.views.recording import wall_offset_ns

MOST_DEPTH = 100
"""What stands deeper begins a tree of its own: chains of thousands would take memory with their square."""


def compute(trace: Queries, calls: CallFilter, *, failed: bool = False, top: int = 0) -> Result:
    """The processes of the trace as a tree: a process stands behind its parent, siblings by their start.

    The filter chooses processes by pid, user and name, by when they lived, and by whether a thread of theirs made such
    calls; the depth stays that of the whole tree.
    ``failed``: only processes that ended with another status than 0, or by a signal. ``top``: at most this many, 0 for
    all.
    Columns: pid, ppid, depth, start_ts, start_s, duration_ns, comm, exe, cmdline, uid, threads, calls, failed,
    first_call, last_call, execs, exit_code, signal.
    """
    manifest = trace.manifest
    made = CallFilter(tids=calls.tids, syscalls=calls.syscalls, paths=calls.paths)
    chosen = CallFilter(pids=calls.pids, uids=calls.uids, name=calls.name).conditions(manifest, "lives")
    if calls.since is not None:
        chosen.append(Fragment(f"lives.to_ns >= {moment_sql(calls.since, manifest)}"))
    if calls.until is not None:
        chosen.append(Fragment(f"lives.from_ns < {moment_sql(calls.until, manifest)}"))
    sql = render(
        "processes",
        where=where(chosen),
        made=made.where(manifest, "syscalls") if made != CallFilter() else None,
        top=top,
        start=manifest.start_ns,
        wall_offset=wall_offset_ns(manifest),
        failed=failed,
        most_depth=MOST_DEPTH,
    )
    return trace.query(sql, lazy=True)


def _text(answer: Answer) -> Iterator[str]:
    # The command line of a linker has thousands of characters; two lines beside the numbers tell enough.
    most = None if answer.width is None or answer.options["full"] else max(2 * answer.width - 104, 60)
    return process_tree(answer.result.records(), answer.width, answer.options["calls"], most, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(
            ["-x", "--failed"],
            is_flag=True,
            help="Only processes that a signal ended, or whose status is not 0.",
        ),
        click.Option(["-c", "--calls"], is_flag=True, help="Show the first and the last call of each process."),
        click.Option(["--full"], is_flag=True, help="Do not shorten command lines on a terminal."),
        top_option(0),
    ),
    flags={"failed": ()},
    empty="no process is like that",
    help="""Print the tree of processes: what each executed, when it lived, its calls and how it ended.

    START is in seconds from the start of the recording, or "before" if the process was there already. SECONDS is how
    long it lived, or "still" if it outlived the recording. END is its exit status, or the signal that ended it. A
    process that executed several programs has a line for each.""",
)
