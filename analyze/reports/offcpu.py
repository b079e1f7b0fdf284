"""offcpu: how long threads did not run, and what for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import fold
from bpfrec.analyze.render.text_columns import Duration, TextColumn, duration, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.reports.stacks import stack_paths
from bpfrec.formats.errors import ReportError
from bpfrec.formats.schema import SCHED
from bpfrec.formats.trace_reader import table_rows

GROUPS = ("process", "thread", "call", "stack")
"""What times off the CPU can be put together by."""

NOT_RECORDED = "when threads were off their CPUs was not recorded: record with --sched, or --kernel-stacks"


def compute(trace: Queries, calls: CallFilter, *, by: str = "call", top: int = 0) -> Result:
    """Times off the CPU ``by`` one of :data:`GROUPS`, the most time first; ``top``: at most so many rows, 0 for all.

    A time counts from when the thread left its CPU until it ran again, or until the recording stopped. ``calls``
    chooses these times by process, thread, user, name, moment and the call that the thread was in.
    Columns: total_ns, blocked_ns, wait_ns, unknown_ns, times, p50_ns, p99_ns, max_ns, pid, tid, comm, syscall, frames,
    kernel_frames.

    Raises:
        ReportError: there is no such group.
    """
    if by not in GROUPS:
        raise ReportError(f"times off the CPU are not put together by {by}", f"There are: {', '.join(GROUPS)}")
    chosen = replace(calls, failed=False, paths=()).conditions(trace.manifest, SCHED.name)
    of_call = CallFilter(failed=calls.failed, paths=calls.paths).conditions(trace.manifest, "s")
    if of_call:
        same = f"s.tid = {SCHED.name}.tid AND s.ts_ns = {SCHED.name}.call_ns"
        chosen.append(Fragment(f"EXISTS (SELECT 1 FROM syscalls AS s WHERE {same} AND {where(of_call)})"))  # noqa: S608 - only literals
    sql = render(
        "offcpu",
        by=by,
        where=where(chosen),
        stop_ns=trace.manifest.stop_ns,
        paths=stack_paths("SELECT stack_id FROM chosen"),
        top=top,
    )
    is_recorded = table_rows(trace.manifest).get(SCHED.name, 0) > 0
    return trace.query(sql, [] if is_recorded else [NOT_RECORDED], lazy=True)


_TIMES = (
    TextColumn("OFF (ms)", scaled("total_ns", 1e6)),
    TextColumn("BLOCKED", scaled("blocked_ns", 1e6)),
    TextColumn("WAIT", scaled("wait_ns", 1e6)),
    TextColumn("TIMES", "times"),
    TextColumn("P50", duration("p50_ns")),
    TextColumn("P99", duration("p99_ns")),
    TextColumn("MAX", duration("max_ns")),
    TextColumn("PID", "pid"),
)
_NAME = TextColumn("COMM", "comm")
_COLUMNS = {
    "process": (*_TIMES, _NAME),
    "thread": (*_TIMES, TextColumn("TID", "tid"), _NAME),
    "call": (*_TIMES, _NAME, TextColumn("CALL", lambda row: row["syscall"] or "(none)")),
}


def _text(answer: Answer) -> Iterator[str]:
    by = answer.options["by"]
    return _blocks(answer) if by == "stack" else answer.table(_COLUMNS[by])


def _blocks(answer: Answer) -> Iterator[str]:
    """A block for each row: the kernel stack, a line, the user stack, and below them the times."""
    row: dict[str, Any]
    for row in answer.counter.through(answer.result.records()):
        yield from (f"  {printable(frame)}" for frame in row["kernel_frames"] or ["(no kernel stack)"])
        yield "  --"
        yield from (f"  {printable(frame)}" for frame in row["frames"] or ["(no user stack)"])
        times = ", ".join(f"{name} {Duration(row[column])}" for name, column in _IN_BLOCKS)
        call = row["syscall"] or "in no recorded call"
        text = f"{shown(row['comm'])} [{row['pid']}] {printable(call)}: {times}, {row['times']} times"
        room = None if answer.width is None else max(answer.width - 4, _NARROWEST)
        yield from (f"    {line}".rstrip() for line in ([text] if room is None else fold(text, room)))
        yield ""


_NARROWEST = 20
_IN_BLOCKS = (("off", "total_ns"), ("blocked", "blocked_ns"), ("wait", "wait_ns"), ("longest", "max_ns"))


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(
            ["--by"],
            type=click.Choice(list(GROUPS)),
            default="call",
            show_default=True,
            help="Group times by process, thread, call of a process, or stack.",
        ),
        top_option(20),
    ),
    empty="no times off the CPU are among what was chosen",
    help="""Show how long threads did not run, and why (record --sched).

    \b
    offcpu --by thread -p 4242
    offcpu --by stack --syscall futex

    BLOCKED is the time until a thread was woken, WAIT the time in which it could have run and other threads had the
    CPU; what is neither is not known. (none): the thread was in no call, it had to give way. --by stack shows the
    kernel stack (record --kernel-stacks) on the user stack (record --stack-on all).""",
)
