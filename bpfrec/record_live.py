"""``record --live REPORT``: calls are shown while recording goes on, as the live tools do; the trace is the same."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.commands.report import report_command
from bpfrec.analyze.commands.trace_input import given_trace, use_trace
from bpfrec.analyze.reports import REPORTS, find
from bpfrec.formats.errors import BpfrecError
from bpfrec.streams import discard

_PLAIN = {"form": ("--format", "table"), "answer_file": ("--output", None), "show_sql": ("--sql", False)}
"""Options that would make another answer than lines on standard output, and their values that do not."""


def add_live_option(record: click.Command) -> None:
    """Adds ``--live`` to ``record``, which gets as ``show`` what runs the report on traces of segments, or None."""
    if any(param.name == "show" for param in record.params):
        return
    option = click.Option(
        ["--live", "show"],
        metavar="REPORT",
        callback=_live,
        shell_complete=lambda _ctx, _param, incomplete: [
            name for name in REPORTS if name.startswith(incomplete) and find(name).streams
        ],
        help="Print the calls that this report shows while they are recorded; with options in quotes: 'opensnoop -x'. "
        "The trace is the same.",
    )
    record.params.insert(len(record.params) - 1, option)


def _live(ctx: click.Context, param: click.Parameter, given: str | None) -> Any:
    if given is None:
        return None
    try:
        name, *rest = shlex.split(given) or [""]
        report = find(name)
    except ValueError as error:
        raise click.BadParameter(f"{given}: {error}", ctx, param) from None
    except BpfrecError as error:
        raise click.BadParameter(f"{error.message}. {error.hint}", ctx, param) from None
    if not report.streams:
        live = ", ".join(one for one in REPORTS if find(one).streams)
        raise click.BadParameter(
            f"{name} needs the whole recording: --report {name} prints it at the end. Live are {live}", ctx, param
        )
    command = report_command(name)
    try:
        asked = command.make_context(name, ["--format", "table", *rest])
    except click.UsageError as error:
        raise click.BadParameter(f"{name}: {error.format_message()}", ctx, param) from None
    reasons = [f"{option} needs the whole recording" for option in _later(asked, report.needs_all)]
    for option, (flag, plain) in _PLAIN.items():
        if asked.params.get(option) != plain:
            reasons.append(f"{flag} is for a report of a trace; what is live is printed as text")
    if given_trace(asked) is not None:
        reasons.append("it shows what is recorded, and no other trace")
    if reasons:
        raise click.BadParameter(f"{name}: {reasons[0]}", ctx, param)

    def show(segments: Iterator[Path]) -> None:
        _show(command, asked, segments)

    return show


def _later(asked: click.Context, names: Sequence[str]) -> Iterator[str]:
    """Those of the options ``names`` that are given, as users write them."""
    for param in asked.command.params:
        if param.name in names and asked.params.get(param.name) not in (None, False, ()):
            yield "/".join(param.opts)


def _show(command: click.Command, asked: click.Context, segments: Iterator[Path]) -> None:
    """Runs the report in the process that follows the recording."""
    from bpfrec.growing_trace import GrowingTrace  # noqa: PLC0415 - recording does not wait for its imports

    trace = GrowingTrace(segments)
    try:
        with asked:
            use_trace(asked, trace)
            command.invoke(asked)
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
    except click.exceptions.Exit:
        sys.stdout.flush()
    except (BpfrecError, click.ClickException) as error:
        click.echo(f"bpfrec: --live {command.name}: {error.message}; recording goes on", err=True)
    finally:
        trace.close()
