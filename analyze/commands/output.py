"""The form of an answer, and the one place that writes it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from bpfrec.analyze.commands import agent
from bpfrec.analyze.commands.files import output_file
from bpfrec.analyze.commands.patience import Patience
from bpfrec.analyze.engine.engine import SelectedRows
from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.render.columns import are_known
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.views.stack_text import STACK_TEXT
from bpfrec.formats.units import whole_number

if TYPE_CHECKING:
    import pyarrow as pa

    from bpfrec.analyze.render.layout import Painter

FORMATS = ("table", "json", "jsonl", "csv", "markdown", "parquet")
_SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".md": "markdown",
    ".parquet": "parquet",
}
_LINES_AT_ONCE = 256
_NARROWEST = 20
_MORE = "--limit shows more or fewer; --format csv or json has all, --output FILE puts them into a file."

F = TypeVar("F", bound=Callable[..., Any])
TextRenderer = Callable[[Result], Iterable[str]]


@dataclass(frozen=True)
class Output:
    """How the user wants an answer: ``format``, one of FORMATS; ``show_sql`` for the query instead.

    ``path``: the file that it goes to, None for standard output; ``force``: whether that replaces another.
    ``is_bounded``: only as much as an agent can read (see :mod:`.agent`).
    """

    format: str
    show_sql: bool
    path: Path | None = None
    force: bool = False
    is_bounded: bool = False

    def write(self, result: Result, text: TextRenderer | None = None) -> None:
        """Writes notes to standard error and the answer to where it belongs.

        ``text`` makes the lines of ``--format table`` where a report has a form of its own.
        """
        note(*result.notes)
        if self.format == "parquet" and not self.show_sql:
            self._write_parquet(result)
            return
        if self.show_sql:
            lines: Iterable[str] = [result.sql]
        elif self.format == "table" and text:
            lines = text(result)
        else:
            lines = rendered(result, self)
        if self.format == "table" and self.path is None and sys.stdout.isatty():
            # The last field of bcc's tools is padded, and what is wider than a terminal gets another line.
            lines = (line.rstrip(" ") for line in lines)
        with self._target() as target:
            write_lines(lines, target, 1 if result.grows else _LINES_AT_ONCE)

    @property
    def width(self) -> int | None:
        """Columns for text; None: as wide as it gets."""
        return output_width() if self.path is None else None

    @property
    def paint(self) -> Painter | None:
        """What adds colours; None where there are none."""
        return output_paint() if self.path is None else None

    @contextmanager
    def _target(self) -> Iterator[IO[str] | None]:
        if self.path is None:
            yield None
            return
        with output_file(self.path, force=self.force) as file:
            yield file

    def _write_parquet(self, result: Result) -> None:
        from bpfrec.analyze.render.parquet import write_parquet  # noqa: PLC0415

        if self.path is None:
            if sys.stdout.isatty():
                raise click.UsageError("--format parquet is no text: give --output FILE.")
            sys.stdout.flush()
            write_parquet(result, sys.stdout.buffer, _in_columns(result)[1])
            return
        with output_file(self.path, force=self.force, binary=True) as file:
            write_parquet(result, file, _in_columns(result)[1])


def rendered(result: Result, output: Output) -> Iterable[str]:
    """The lines of ``result`` in the format of ``output``, which is one of lines."""
    from bpfrec.analyze.render import data, table  # noqa: PLC0415

    form = output.format
    if form == "markdown":
        from bpfrec.analyze.render.markdown import Bounds, markdown_rows  # noqa: PLC0415

        bounds = Bounds(agent.MOST_ROWS, agent.MOST_BYTES, agent.MOST_CELL) if output.is_bounded else None
        return markdown_rows(result.columns, result.types, data.zoned(result.types, result.source), bounds, _MORE)
    rows, batches = _in_columns(result)
    zoned, zoned_batches = data.zoned(result.types, rows), data.zoned_batches(result.types, batches)
    if form == "json":
        return data.json_rows(result.columns, zoned, zoned_batches)
    if form == "jsonl":
        return data.json_lines(result.columns, zoned, zoned_batches)
    if form == "csv":
        to_terminal = output.path is None and sys.stdout.isatty()
        return data.csv_rows(result.columns, zoned, escape=to_terminal, batches=zoned_batches)
    # It gives texts of several lines.
    breaks = STACK_TEXT in result.sql.lower()
    # Colours would make a long answer slow.
    paint = None if batches else output.paint
    return table.table(result.columns, rows, output.width, breaks, batches, paint)


def _in_columns(result: Result) -> tuple[Iterable[Row], Iterable[pa.RecordBatch]]:
    """The answer as rows, or as columns if it is a long one whose values are the same there."""
    if isinstance(result.source, SelectedRows) and are_known(result.types):
        batches = result.source.batches()
        if batches is not None:
            return (), batches
    return result.source, ()


def output_width() -> int | None:
    """Columns that standard output has: $COLUMNS, else the terminal's; None where there is neither."""
    if whole_number(os.environ.get("COLUMNS", "")) is not None or sys.stdout.isatty():
        return get_terminal_size().columns
    return None


def output_paint() -> Painter | None:
    """What adds colours for standard output; None if it is no terminal, or the user wants none ($NO_COLOR)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return None
    from bpfrec.analyze.render.colours import painter  # noqa: PLC0415

    return painter()


def write_lines(lines: Iterable[str], target: IO[str] | None = None, at_once: int = _LINES_AT_ONCE) -> None:
    """Writes ``lines`` to ``target``, or standard output, ``at_once`` at a time: there may be millions."""
    waiting = iter(lines)
    while some := list(islice(waiting, at_once)):
        if Patience.current:
            Patience.current.stop()
        (target or sys.stdout).write("\n".join(some) + "\n")


def write_list(lines: Mapping[str, str]) -> None:
    """Writes names, and what they are: a line for each, or what a terminal has room for."""
    room = max(map(len, lines), default=0) + 2
    width = max(get_terminal_size().columns, room + _NARROWEST) if sys.stdout.isatty() else sys.maxsize
    for name, line in lines.items():
        click.echo(fill(line, width, initial_indent=name.ljust(room), subsequent_indent=" " * room))


def folded(text: str) -> str:
    """``text`` with line breaks between words where standard error is a terminal that is too narrow for it."""
    if not sys.stderr.isatty():
        return text
    return fill(text, max(get_terminal_size().columns, _NARROWEST), break_long_words=False, break_on_hyphens=False)


def note(*lines: str) -> None:
    """Writes remarks to standard error, each behind the name of the program."""
    with Patience.current.aside() if Patience.current else nullcontext():
        for line in lines:
            click.echo(folded(f"bpfrec: {printable(line)}"), err=True)


def _form_options(function: F) -> F:
    form = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        help="table: text for people (the default); json: one array of objects; jsonl: an object per line; csv: with a "
        "header line; markdown; parquet.",
    )
    return form(
        click.option("--sql", "show_sql", is_flag=True, help="Print the SQL query instead of its answer.")(function)
    )


def listing_options(function: F) -> F:
    """Adds ``--format`` and ``--sql``; the command gets an :class:`Output` as ``output``."""

    @_form_options
    @wraps(function)
    def command(*args: Any, form: str | None, show_sql: bool, **kwargs: Any) -> Any:
        return function(*args, output=_output(form, None, False, show_sql), **kwargs)

    return command  # type: ignore[return-value]


def output_options(function: F) -> F:
    """Adds ``--format``, ``--output``, ``--force`` and ``--sql``; the command gets an :class:`Output` as ``output``."""

    @_form_options
    @click.option(
        "-o",
        "--output",
        "answer_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the answer to FILE, in the format that its suffix says.",
    )
    @click.option("--force", is_flag=True, help="Replace FILE if it exists.")
    @wraps(function)
    def command(
        *args: Any, form: str | None, answer_file: Path | None, force: bool, show_sql: bool, **kwargs: Any
    ) -> Any:
        output = _output(form, answer_file, force, show_sql, kwargs.get("status_file"))
        return function(*args, output=output, **kwargs)

    return command  # type: ignore[return-value]


def format_of(path: Path) -> str:
    """The format that the suffix of a file says; table if it says none."""
    return _SUFFIXES.get(path.suffix.lower(), "table")


def _output(form: str | None, target: Path | None, force: bool, show_sql: bool, other: Path | None = None) -> Output:
    """``other``: another file that the command writes."""
    path = None if target is None or str(target) == "-" else target
    if force and path is None and other is None:
        raise click.UsageError("--force replaces the file of --output, and none is given.")
    if form is None and path is not None:
        form = format_of(path)
    if form is None and agent.for_agent():
        return Output("markdown", show_sql, is_bounded=True)
    return Output(form or "table", show_sql, path, force)
