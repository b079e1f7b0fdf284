"""What all commands share: the trace they open, the form of their answers, and the one place that writes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bpfrec.analyze.commands.analyze import SYMBOLS
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.engine.engine import SelectedRows
from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.render.columns import are_known
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.views.stack_text import STACK_TEXT

if TYPE_CHECKING:
    import pyarrow as pa

    from bpfrec.analyze.render.layout import Painter

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

    rows, batches = _in_columns(result)
    if form == "json":
        return data.json_rows(result.columns, data.zoned(result.types, rows), data.zoned_batches(result.types, batches))
    if form == "csv":
        return data.csv_rows(
            result.columns,
            data.zoned(result.types, rows),
            escape=sys.stdout.isatty(),
            batches=data.zoned_batches(result.types, batches),
        )
    # It gives texts of several lines.
    breaks = STACK_TEXT in result.sql.lower()
    # Colours would make a long answer slow.
    paint = None if batches else output_paint()
    return table.table(result.columns, rows, output_width(), breaks, batches, paint)


def _in_columns(result: Result) -> tuple[Iterable[Row], Iterable[pa.RecordBatch]]:
    """The answer as rows, or as columns if it is a long one whose values are the same there."""
    if isinstance(result.source, SelectedRows) and are_known(result.types):
        batches = result.source.batches()
        if batches is not None:
            return (), batches
    return result.source, ()


def output_width() -> int | None:
    """Columns that standard output has: $COLUMNS, else the terminal's; None where there is neither."""
    if os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty():
        return get_terminal_size().columns
    return None


def output_paint() -> Painter | None:
    """What adds colours for standard output; None if it is no terminal, or the user wants none ($NO_COLOR)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return None
    from bpfrec.analyze.render.colours import painter  # noqa: PLC0415

    return painter()


def write_lines(lines: Iterable[str]) -> None:
    """Writes ``lines`` to standard output, some at a time: there may be millions."""
    waiting = iter(lines)
    while some := list(islice(waiting, _LINES_AT_ONCE)):
        if Patience.current:
            Patience.current.stop()
        sys.stdout.write("\n".join(some) + "\n")


def note(*lines: str) -> None:
    """Writes remarks to standard error, each behind the name of the program."""
    if Patience.current:
        Patience.current.clear()
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
    """Opens the trace of ``analyze -i`` and gives it to the command as ``trace``; it is closed behind the command.

    An option ``allow_files`` of the command is for the trace.
    """

    @click.pass_context
    @wraps(function)
    def command(ctx: click.Context, /, *args: Any, allow_files: bool = False, **kwargs: Any) -> Any:
        trace = ctx.with_resource(Trace(ctx.obj, ctx.meta.get(SYMBOLS, ()), allow_files=allow_files))
        result = function(*args, trace=trace, **kwargs)
        note(*trace.remarks)
        return result

    return command  # type: ignore[return-value]
