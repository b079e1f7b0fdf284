"""failures: calls that failed, and whether they succeeded later."""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.text_columns import Record, TextColumn, clock, text_table
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.report import Answer, Report


def compute(trace: Queries, calls: CallFilter) -> Result:
    """Failed calls by system call, error and path, the most frequent first.

    Columns: count, syscall, errno, path, processes, first_ts, last_ts, succeeded_later: whether in each of the
    processes a call of the same name, and of the same path if it has one, entered after its last failure and worked;
    processes_succeeded: in how many of them. What worked later is looked for in the whole recording of a process.
    """
    manifest = trace.manifest
    later = CallFilter(pids=calls.pids, syscalls=calls.syscalls)
    return trace.query(render("failures", where=calls.where(manifest), later=later.where(manifest)), lazy=True)


def _later(row: Record) -> str:
    succeeded, processes = row["processes_succeeded"], row["processes"]
    if succeeded == processes:
        return "worked"
    return f"in {succeeded} of {processes}" if succeeded else "-"


_COLUMNS = (
    TextColumn("COUNT", "count"),
    TextColumn("CALL", "syscall"),
    TextColumn("ERROR", "errno"),
    TextColumn("FIRST", clock("first_ts")),
    TextColumn("LAST", clock("last_ts")),
    TextColumn("LATER", _later),
    TextColumn("PATH", "path"),
)


def _text(answer: Answer) -> Iterator[str]:
    return text_table(_COLUMNS, answer.result.records(), answer.width)


REPORT = Report(
    compute,
    text=_text,
    help="""List failed calls by call, error and path, and whether the same call succeeded later.

    Times are UTC. LATER says "worked" if the process made the same call again after the last failure, with the same
    path if it has one, and it worked. "in 1 of 3" means that this is so in one of three processes.""",
)
