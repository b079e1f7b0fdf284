"""execsnoop: programs that were executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, Record, bcc_lines, clock, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Count, map_options
from bpfrec.analyze.reports.report import Answer, Options
from bpfrec.analyze.reports.snoop import flag, snoop, snoop_report

_MOST_ARGUMENTS = 20


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    fails: bool = True,
    line: str | None = None,
    ppid: int | None = None,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls of execve and execveat by the time of their return.

    The filter's ``name`` is a regular expression here, for the name of the new program. ``fails``: also those that
    failed. ``line``: only those whose arguments, with a space between them, match this regular expression. ``ppid``:
    only in processes with this parent. ``duration_s``: only the first so many seconds. ``top``: at most this many
    rows, 0 for all.
    Columns: event_id, ts, time_s, uid, comm, pid, ppid, ret, path, args, cpu, parent_comm.
    """
    named = replace(calls, name=None)
    return snoop(
        trace,
        named,
        "execsnoop",
        duration_s=duration_s,
        top=top,
        fails=fails,
        comm=calls.name,
        line=line,
        ppid=ppid,
    )


def _arguments(row: Record, most: int, quote: bool) -> str:
    words = row["args"] or ([row["path"]] if row["path"] else [])
    # bcc's tool reads so many, and says that there are more.
    shown = [*words[:most], "..."] if len(words) > most else words
    if quote:
        shown = ['"' + word.replace('"', '\\"') + '"' for word in shown]
    return " ".join(shown).replace("\n", "\\n")


def _fields(options: Options) -> Sequence[Field]:
    # PCOMM was the name of the program in bcc's tool before it could show that of the parent.
    with_parent = options["print_pcomm"]
    return (
        Field("TIME", -9, clock("ts"), gap="", when="time"),
        Field("TIME(s)", -8, decimals("time_s", 3), gap="", when="timestamp"),
        Field("UID", -6, "uid", gap="", when="print_uid"),
        Field("COMM" if with_parent else "PCOMM", -16, "comm"),
        Field("PID", -7, "pid"),
        Field("PCOMM", -16, "parent_comm", when="print_pcomm"),
        Field("PPID", -7, "ppid"),
        Field("CPU", -4, "cpu", when="print_cpu"),
        Field("RET", 3, "ret"),
    )


def _text(answer: Answer) -> Iterator[str]:
    options = dict(answer.options)
    most, quote = options["max_args"], options["quote"]
    fields = (*_fields(options), Field("ARGS", 0, lambda row: _arguments(row, most, quote), gap=""))
    return bcc_lines(fields, answer.result.records(), options)


REPORT = snoop_report(
    compute,
    _text,
    """Print programs that were executed, as bcc's execsnoop does.

    -n and -l take regular expressions, as in bcc's tool. -T shows UTC, and -t seconds from the start of the
    recording.""",
    streams=True,
    options=(
        *map_options(),
        flag(["-T", "--time"], "Show the time of day (UTC)."),
        flag(["-t", "--timestamp"], "Show seconds since the start of the recording."),
        flag(["-U", "--print-uid"], "Show the user id."),
        flag(["-C", "--print-cpu"], "Show the CPU."),
        flag(["-M", "--print-pcomm"], "Show the name of the parent."),
        flag(["-x", "--fails"], "Also show those that failed."),
        flag(["-q", "--quote"], "Put quotation marks around arguments."),
        click.Option(["-l", "--line"], metavar="REGEX", help="Only if the arguments match."),
        click.Option(["-P", "--ppid"], type=Count(), metavar="PID", help="Only processes with this parent."),
        click.Option(
            ["--max-args"],
            type=Count(1),
            default=_MOST_ARGUMENTS,
            show_default=True,
            metavar="N",
            help="Show at most N arguments.",
        ),
    ),
    flags={"tid": ("--tid",), "failed": ("--failed",)},
    settle=lambda options: options | {"fails": options["fails"] or options["failed"]},
)
