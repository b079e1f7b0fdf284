"""exitsnoop: processes and threads that ended."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.bcc_lines import Field, Record, bcc_lines, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import moment_sql
from bpfrec.analyze.reports.report import Answer
from bpfrec.analyze.reports.snoop import flag, snoop_report
from bpfrec.analyze.views.recording import wall_offset_ns


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    failed: bool = False,
    per_thread: bool = False,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Processes, or with ``per_thread`` threads, that ended while they were recorded, by the time of their end.

    The filter chooses them by pid, tid, user and name, by the time of their end, and by the calls that they made
    (``syscall``, ``path``). ``failed``: only those that ended
    with another status than 0, or by a signal. ``duration_s``: only the first so many seconds. ``top``: at most this
    many rows, 0 for all.
    Columns: ts, comm, pid, ppid, tid, uid, age_s, exit_code, signal, signal_name.
    """
    manifest = trace.manifest
    chosen = CallFilter(pids=calls.pids, tids=calls.tids, uids=calls.uids, name=calls.name).conditions(manifest)
    made = CallFilter(syscalls=calls.syscalls, paths=calls.paths).conditions(manifest, "s")
    if made:
        own = "s.tid = ended.tid" if per_thread else "s.pid = ended.pid"
        # A pid may be used again.
        life = "s.ts_ns BETWEEN coalesce(ended.start_ns, 0) AND ended.end_ns"
        chosen.append(Fragment(f"EXISTS (SELECT 1 FROM syscalls AS s WHERE {own} AND {life} AND {where(made)})"))  # noqa: S608 - only literals
    if calls.since is not None:
        chosen.append(Fragment(f"end_ns >= {moment_sql(calls.since, manifest)}"))
    if calls.until is not None:
        chosen.append(Fragment(f"end_ns < {moment_sql(calls.until, manifest)}"))
    if duration_s is not None:
        chosen.append(Fragment(f"end_ns < {manifest.start_ns + round(duration_s * 1e9)}"))
    offset = wall_offset_ns(manifest)
    sql = render("exitsnoop", where=where(chosen), failed=failed, per_thread=per_thread, top=top, wall_offset_ns=offset)
    return trace.query(sql, lazy=True)


def _label(text: str) -> Field:
    return Field("LABEL", -6, lambda _: text or "exit", gap="")


def _text(answer: Answer) -> Iterator[str]:
    """bcc's lines; the label stands behind the time."""
    time, *others = _FIELDS
    label = answer.options["label"]
    fields = _FIELDS if label is None else [time, _label(label), *others]
    return bcc_lines(fields, answer.result.records(), answer.options)


def _end(row: Record) -> str:
    if row["signal"] is not None:
        name = (row["signal_name"] or "").removeprefix("SIG")
        return f"signal {row['signal']} ({name})"
    if row["exit_code"] is None:
        return "?"
    return f"code {row['exit_code']}" if row["exit_code"] else "0"


_FIELDS = (
    Field("TIME-UTC", -13, lambda row: None if row["ts"] is None else row["ts"][11:23], gap="", when="timestamp"),
    Field("PCOMM", -16, "comm"),
    Field("PID", -7, "pid"),
    Field("PPID", -7, "ppid"),
    Field("TID", -7, "tid"),
    Field("AGE(s)", -7, decimals("age_s", 2)),
    Field("EXIT_CODE", -10, _end, gap=""),
)

REPORT = snoop_report(
    compute,
    _text,
    """Print processes that ended, as bcc's exitsnoop does, with --per-thread also each of their threads.

    AGE is "?" if the process was there before the recording. --from and --to are times of the end; --syscall and --path
    choose what made such calls.""",
    options=(
        flag(["-t", "--timestamp"], "Show the time of day (UTC)."),
        flag(["--utc"], "The same as -t: all times are UTC."),
        click.Option(["--label"], metavar="TEXT", help="Begin each line with TEXT, or with exit if it is empty."),
        flag(["-x", "--failed"], "Only those that a signal ended, or whose status is not 0."),
        flag(["--per-thread"], "Show every thread."),
    ),
    flags={"failed": ()},
    settle=lambda options: options | {"timestamp": options["timestamp"] or options["utc"]},
    empty="no process ended like that",
)
