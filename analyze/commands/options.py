"""Options that several commands share, and the one place where their answers are written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from shutil import get_terminal_size
from typing import Any, TypeVar

import click

from bpfrec.analyze.commands.analyze import SYMBOLS
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.trace import Trace
from bpfrec.analyze.views.stack_text import STACK_TEXT

_LINES_AT_ONCE = 256

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TRACE = "trace.bpfrec"
TRACE_VARIABLE = "BPFREC_TRACE"

TextRenderer = Callable[[Result], Iterable[str]]


@dataclass(frozen=True)
class Output:
    """How the user wants an answer: ``format`` table, json or csv; ``show_sql`` for the query instead."""

    format: str
    show_sql: bool

    def write(self, result: Result, text: TextRenderer | None = None) -> None:
        """Writes notes to standard error and the answer to standard output.

        ``text`` makes the lines of ``--format table`` where a report has a form of its own.
        """
        note(*result.notes)
        if self.show_sql:
            write_lines([result.sql])
        elif self.format == "table" and text:
            write_lines(text(result))
        else:
            write_lines(rendered(result, self.format))


def rendered(result: Result, form: str) -> Iterable[str]:
    """The lines of ``result`` as a table, as JSON or as CSV."""
    from bpfrec.analyze.render import data, table  # noqa: PLC0415

    if form == "json":
        return data.json_rows(result.columns, result.source)
    if form == "csv":
        return data.csv_rows(result.columns, result.source, escape=sys.stdout.isatty())
    # It gives texts of several lines.
    breaks = STACK_TEXT in result.sql.lower()
    return table.table(result.columns, result.source, output_width(), breaks)


def output_width() -> int | None:
    """Columns that standard output has: $COLUMNS, else the terminal's; None where there is neither."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return get_terminal_size().columns
    return None


def write_lines(lines: Iterable[str]) -> None:
    """Writes ``lines`` to standard output, some at a time: there may be millions."""
    waiting = iter(lines)
    while some := list(islice(waiting, _LINES_AT_ONCE)):
        sys.stdout.write("\n".join(some) + "\n")


def note(*lines: str) -> None:
    """Writes remarks to standard error, each behind the name of the program."""
    for line in lines:
        click.echo(f"bpfrec: {printable(line)}", err=True)


def output_options(function: F) -> F:
    """Adds ``--format`` and ``--sql``; the command gets them as ``output``, an :class:`Output`."""

    @click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json", "csv"]),
        default="table",
        show_default=True,
        help="table to read; json: one array of objects; csv: with a header line.",
    )
    @click.option("--sql", "show_sql", is_flag=True, help="Print the SQL query instead of its answer.")
    @wraps(function)
    def command(*args: Any, form: str, show_sql: bool, **kwargs: Any) -> Any:
        return function(*args, output=Output(form, show_sql), **kwargs)

    return command  # type: ignore[return-value]


def pass_trace(function: F) -> F:
    """Opens the trace of ``analyze -i`` and gives it to the command as ``trace``; it is closed behind the command."""

    @click.pass_context
    @wraps(function)
    def command(ctx: click.Context, /, *args: Any, **kwargs: Any) -> Any:
        trace = ctx.with_resource(Trace(ctx.obj, ctx.meta.get(SYMBOLS, ())))
        result = function(*args, trace=trace, **kwargs)
        note(*trace.remarks)
        return result

    return command  # type: ignore[return-value]


def process_options(function: F) -> F:
    """Adds ``-p/--pid`` and ``-t/--tid``, given to the command as ``pid`` and ``tid`` (int or None)."""
    function = click.option("-t", "--tid", type=click.IntRange(0), metavar="TID", help="Only this thread.")(function)
    return click.option("-p", "--pid", type=click.IntRange(0), metavar="PID", help="Only this process.")(function)


def name_option(function: F) -> F:
    """Adds ``-n/--name``: only threads whose name contains it, as ``name``."""
    return click.option("-n", "--name", metavar="COMM", help="Only threads whose name contains COMM.")(function)


def path_options(function: F) -> F:
    """Adds what chooses and measures call paths: pid, tid, uid, name, syscall, failed, by, lines."""
    for option in (
        click.option("-l", "--lines", is_flag=True, help="By source line where it is known, not by function alone."),
        click.option(
            "--by",
            type=click.Choice(["calls", "time", "failures"]),
            default="calls",
            show_default=True,
            help="What is counted.",
        ),
        click.option("-x", "--failed", is_flag=True, help="Only calls that failed."),
        click.option("--syscall", type=SyscallName(), metavar="NAME", help="Only this system call."),
        name_option,
        click.option("-u", "--uid", type=click.IntRange(0), metavar="UID", help="Only this user."),
        process_options,
    ):
        function = option(function)
    return function


class SyscallName(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """The name of a system call, checked against those that a trace can have."""

    name = "syscall"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as given; a usage error where no system call is called so."""
        from difflib import get_close_matches  # noqa: PLC0415

        from bpfrec.analyze.views.tables import is_syscall  # noqa: PLC0415
        from bpfrec.formats.kernel.syscalls import syscalls  # noqa: PLC0415

        if not is_syscall(value):
            near = get_close_matches(value, syscalls(), n=3)
            self.fail(
                f"no system call is called {value!r}{'; near it: ' + ', '.join(near) if near else ''}", param, ctx
            )
        return str(value)


class ErrnoNumber(click.ParamType):  # type: ignore[type-arg] # generic only in new versions of click
    """An error number, given as a name (ENOENT) or a number (2 or -2); converts to the positive number."""

    name = "errno"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The positive number; a usage error where there is no such error."""
        from bpfrec.formats.kernel.errnos import MAX_ERRNO, errno_numbers  # noqa: PLC0415

        if isinstance(value, int):
            return value
        number = errno_numbers().get(value.upper())
        if number is None and value.lstrip("-").isdigit():
            number = abs(int(value))
        if number is None or not 0 < number <= MAX_ERRNO:
            self.fail(f"{value!r} is neither the name nor the number of an error", param, ctx)
        return number
