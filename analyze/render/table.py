"""The one table printer.

rich's tables take a second per thousand rows; an answer can have millions, more than memory may hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from bpfrec.analyze.render.columns import joined, texts
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import BREAK, GAP, Layout, Painter, fit, pad, text_width, unpainted

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_HELD = 20_000
_BYTES_HELD = 32 << 20


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    width: int | None = None,
    breaks: bool = False,
    batches: Iterable[pa.RecordBatch] = (),
    paint: Painter | None = None,
) -> Iterator[str]:
    """Lines of a table: a header, a rule, the rows; numbers stand on the right. Nothing is cut.

    With a ``width`` (character cells), long texts are folded. If a table has many columns and its texts would become
    too narrow to be read, the last column is put on a line of its own below the others, or else every value is.
    None means as wide as it gets. ``breaks``: a cell of several lines is printed as such. ``batches``: rows behind
    ``rows``, of types that :func:`.are_known`. ``paint`` may add colours: it is given the name of a column and the
    padded text of a cell.
    """
    header = [printable(name) for name in columns]
    body = _Body()
    widths = [text_width(name) for name in header]
    types: list[set[type]] = [set() for _ in columns]
    for row in rows:
        cells = [_cell(value, breaks) for value in row]
        widths = list(map(max, widths, map(_cell_width, cells)))
        for seen, value in zip(types, row, strict=True):
            seen.add(type(value))
        body.add(cells)
    rest = _Columns(breaks)
    for batch in batches:
        widths = list(map(max, widths, rest.add(batch, types)))
    right = [_are_numbers(seen - {type(None)}) for seen in types]
    layout = Layout(header, right, paint or unpainted)
    if fit(widths, right, width) == widths and not breaks and paint is None:
        yield from layout.rows(body, widths, width)
        yield from rest.lines(widths, right)
    else:
        yield from layout.rows(chain(body, rest.rows()), widths, width)


class _Body:
    """The cells of a table, of many rows in a temporary file: they are printed when the last one is known."""

    def __init__(self) -> None:
        self._held: list[list[str]] = []
        self._file: IO[str] | None = None

    def add(self, cells: list[str]) -> None:
        self._held.append(cells)
        if len(self._held) == _ROWS_HELD:
            if self._file is None:
                self._file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - it is read after this
            # Cells are printable: they have neither tabs nor ends of lines, but for breaks.
            self._file.writelines("\t".join(row) + "\n" for row in self._held)
            self._held.clear()

    def __iter__(self) -> Iterator[list[str]]:
        if self._file:
            self._file.seek(0)
            yield from (line[:-1].split("\t") for line in self._file)
            self._file.close()
        yield from self._held


class _Columns:
    """Cells in columns, of many rows in a temporary file."""

    def __init__(self, breaks: bool) -> None:
        self._breaks = breaks
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def add(self, batch: pa.RecordBatch, types: list[set[type]]) -> list[int]:
        """Takes the cells of a batch; the widths of its columns. ``types`` gets the Python types of its values."""
        import pyarrow as pa  # noqa: PLC0415

        cells, widths = [], []
        for column, seen in zip(batch.columns, types, strict=True):
            cell = texts(column, lambda value: _cell(value, self._breaks)).fill_null("NULL")
            cells.append(cell)
            widths.append(max(map(_cell_width, cell.unique().to_pylist()), default=0))
            if column.null_count < len(column):
                seen.add(type(column.drop_null()[0].as_py()))
        self._hold(pa.RecordBatch.from_arrays(cells, names=[str(i) for i in range(len(cells))]))
        return widths

    def _hold(self, batch: pa.RecordBatch) -> None:
        import pyarrow as pa  # noqa: PLC0415

        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes > _BYTES_HELD:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is read after this
                self._writer = pa.ipc.new_stream(self._file, batch.schema)
            for held in self._held:
                self._writer.write_batch(held)
            self._held, self._held_bytes = [], 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        if self._file:
            import pyarrow as pa  # noqa: PLC0415

            self._writer.close()
            self._file.seek(0)
            yield from pa.ipc.open_stream(self._file)
            self._file.close()
        yield from self._held

    def rows(self) -> Iterator[list[str]]:
        """The cells row by row."""
        for batch in self:
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield list(cells)

    def lines(self, widths: list[int], right: list[bool]) -> Iterator[str]:
        """The lines where every cell fits, many at a time."""
        for batch in self:
            parts: list[pa.Array | str] = []
            for column, width, on_right in zip(batch.columns, widths, right, strict=True):
                parts += [*([GAP] if parts else []), texts(column, partial(pad, width=width, on_right=on_right))]
            yield "\n".join(map(str.rstrip, joined(parts, "").to_pylist()))


def _cell(value: object, breaks: bool) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(value)
    return BREAK.join(map(printable, text.split("\n"))) if breaks else printable(text)


def _cell_width(cell: str) -> int:
    return max(map(text_width, cell.split(BREAK))) if BREAK in cell else text_width(cell)


def _are_numbers(types: set[type]) -> bool:
    return bool(types) and not any(issubclass(t, str) or not hasattr(t, "__float__") for t in types)
