"""``record --report NAME``: a report about the trace, as soon as it is there."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bpfrec.analyze.reports import REPORTS, find
from bpfrec.formats.errors import BpfrecError

Ask = Callable[[Sequence[str]], object]
"""Runs the program with arguments."""


def add_report_option(record: click.Command, ask: Ask) -> None:
    """Adds the option to ``record``. The exit status stays that of the recording, unless that is 0 and a report fails.

    ``ask`` runs ``bpfrec`` with arguments, and raises BpfrecError or click's exceptions if it fails.
    """
    callback = record.callback
    if callback is None or any(param.name == "reports" for param in record.params):
        return

    def recorded(*, reports: tuple[list[str], ...], **options: Any) -> None:
        status = _status_of(callback, options)
        if not reports:
            sys.exit(status)
        trace = str(options["output"] or Path("trace.bpfrec"))
        for words in reports:
            try:
                ask(["report", *words, "--input", trace])
            except (BpfrecError, click.ClickException) as error:
                message = error.message
                click.echo(f"bpfrec: report {words[0]}: {message}", err=True)
                status = status or 1
        sys.exit(status)

    record.callback = recorded
    option = click.Option(
        ["--report", "reports"],
        multiple=True,
        metavar="NAME",
        callback=_reports,
        shell_complete=lambda _ctx, _param, incomplete: [name for name in REPORTS if name.startswith(incomplete)],
        help="When the recording is over, print this report about it; with options in quotes: 'syscount -P -L'. "
        "May be repeated.",
    )
    record.params.insert(len(record.params) - 1, option)


def _status_of(callback: Callable[..., Any], options: dict[str, Any]) -> int:
    try:
        callback(**options)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def _check(ctx: click.Context, param: click.Parameter, name: str, *options: str) -> None:
    """Raises a usage error if the report does not take the options: not after a recording that took an hour."""
    from bpfrec.analyze.commands.report import report_command  # noqa: PLC0415

    try:
        report_command(name).make_context(name, list(options))
    except click.UsageError as error:
        raise click.BadParameter(f"{name}: {error.format_message()}", ctx, param) from None


def _reports(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[list[str], ...]:
    """Each report as the words of its command line; a usage error if there is none of that name."""
    chosen = []
    for text in given:
        try:
            words = shlex.split(text)
            find(words[0] if words else "")
        except ValueError as error:
            raise click.BadParameter(f"{text}: {error}", ctx, param) from None
        except BpfrecError as error:
            raise click.BadParameter(f"{error.message}. {error.hint}", ctx, param) from None
        _check(ctx, param, *words)
        chosen.append(words)
    return tuple(chosen)
