"""opensnoop: every open of a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import or_

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render import bcc
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import duration_option
from bpfrec.analyze.reports.option_types import OpenFlag, limit_option, map_options, refused_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.formats.kernel.open_flags import OPEN_FLAGS
from bpfrec.formats.kernel.roles import calls_that

OPEN_CALLS = calls_that("opens")
"""The system calls that open a file by its path."""

_CREAT_FLAGS = OPEN_FLAGS["O_CREAT"] | OPEN_FLAGS["O_WRONLY"] | OPEN_FLAGS["O_TRUNC"]
_CREATING_FLAGS = OPEN_FLAGS["O_CREAT"] | (OPEN_FLAGS["O_TMPFILE"] & ~OPEN_FLAGS["O_DIRECTORY"])


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    flags: list[int] | None = None,
    duration_s: float | None = None,
    full_path: bool = True,
    top: int = 0,
) -> Result:
    """Every call of open, openat, openat2 and creat that returned, in the order in which they returned.

    ``flags``: only opens that have at least one of these bits; 0, which is O_RDONLY, stands for opens that only read.
    ``duration_s``: only those that returned within this many seconds from the start of the recording. ``full_path``:
    with the column resolved_path, for which the names of descriptors and directories are followed through the trace.
    ``top``: at most this many rows, the first; 0 for all.
    Columns: event_id, ts, time_s, pid, tid, comm, uid, syscall, ret, errno, flags, mode, path, path_status,
    resolved_path.
    """
    manifest = trace.manifest
    # Times count from the first open of the processes chosen, whether or not it is shown itself.
    shown = CallFilter(name=calls.name, failed=calls.failed)
    by_path = bool(calls.paths)
    calls = replace(calls, name=None, failed=False)
    chosen = calls.conditions(manifest)
    if flags:
        mask = reduce(or_, flags)
        tests = [f"flags & {mask} != 0"] if mask else []
        tests += [f"flags & {OPEN_FLAGS['O_ACCMODE']} = 0"] if 0 in flags else []
        chosen.append(Fragment(f"({' OR '.join(tests)})"))
    if duration_s is not None:
        end_ns = manifest.start_ns + round(duration_s * 1e9)
        chosen.append(Fragment(f"ts_ns + duration_ns <= {literal(end_ns)}"))
    sql = render(
        "opensnoop",
        opens=list(OPEN_CALLS),
        creat_flags=_CREAT_FLAGS,
        creating_flags=_CREATING_FLAGS,
        where=where(chosen),
        shown=shown.where(manifest),
        full_path=full_path or by_path,
        by_path=by_path,
        top=top,
    )
    recorded = [call for call in OPEN_CALLS if manifest.syscalls.get(call)]
    opens = ", ".join(OPEN_CALLS)
    notes = [f"open: matched {', '.join(recorded)}" if recorded else f"the trace has no call of {opens}"]
    unfinished = f"SELECT count(*) FROM syscalls WHERE syscall IN {literal(list(OPEN_CALLS))} AND ret IS NULL"  # noqa: S608 - only literals
    if count := trace.query(f"{unfinished} AND {calls.where(manifest)}").rows[0][0]:
        notes.append(f"opens that never returned, which are not shown: {count}")
    return trace.query(sql, notes, lazy=True)


def _settle(options: Options) -> Options:
    # Programs get all columns, and so does the printed query. People who do not ask for names should not wait for them.
    return options | {"full_path": options["full_path"] or options["format"] != "table" or options["show_sql"]}


def _text(answer: Answer) -> Iterator[str]:
    options = answer.options
    columns = (options["timestamp"], options["print_uid"], bool(options["tid"]), options["extended"])
    path = "coalesce(resolved_path, path)" if options["full_path"] else "path"
    yield bcc.opensnoop_header(*columns)
    yield from answer.lines(bcc.opensnoop_line(*columns, path))


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    options=(
        click.Option(["-T", "--timestamp"], is_flag=True, help="Show seconds since the first open."),
        click.Option(["-U", "--print-uid"], is_flag=True, help="Show the user id."),
        click.Option(
            ["-e", "--extended_fields", "--extended-fields", "extended"],
            is_flag=True,
            help="Show the flags and the mode, octal.",
        ),
        click.Option(
            ["-f", "--flag_filter", "--flag-filter", "flags"],
            multiple=True,
            type=OpenFlag(),
            help="Only opens with this flag: O_WRONLY; O_RDONLY stands for opens that only read. May be repeated.",
        ),
        click.Option(["-F", "--full-path"], is_flag=True, help="Show absolute paths instead of paths as passed."),
        duration_option(),
        limit_option(),
        *map_options(),
        refused_option(["--exec"], "record the command: bpfrec record --report opensnoop -- COMMAND."),
        refused_option(["-b", "--buffer-pages"], "buffers are set when recording: record --buffer SIZE."),
    ),
    streams=True,
    needs_all=("timestamp", "full_path"),
    help="""Print every open of a file, as bcc's opensnoop does.

    Opens are calls of open, openat, openat2 and creat. -T, -U and -e add columns to the table, -F
    shows absolute paths; json and csv have all of it.""",
)
