"""Tables for people: which column of a report is shown under which heading, and how its values are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.render.layout import Painter, text_width
from bpfrec.analyze.render.table import table

Record = Mapping[str, Any]
"""A row by column names."""


@dataclass(frozen=True)
class TextColumn:
    """A column of a text table: its heading, and the column of the rows it shows, or what makes a value of a row."""

    heading: str
    value: str | Callable[[Record], object]

    def of(self, row: Record) -> object:
        """The value in ``row``; NULL is written as -."""
        value = row[self.value] if isinstance(self.value, str) else self.value(row)
        return NOTHING if value is None else value


def text_table(
    columns: Sequence[TextColumn], rows: Iterable[Record], width: int | None, paint: Painter | None = None
) -> Iterator[str]:
    """The lines of a table of ``rows``, at most ``width`` character cells wide."""
    cells = ([column.of(row) for column in columns] for row in rows)
    return table([column.heading for column in columns], cells, width, paint=paint)


def fitting_table(
    wide: Sequence[TextColumn],
    narrow: Sequence[TextColumn],
    rows: Iterable[Record],
    width: int | None,
    paint: Painter | None = None,
) -> Iterator[str]:
    """The table of the columns ``wide`` if it fits, else that of the columns ``narrow``. For few rows."""
    held = list(rows)
    lines = list(text_table(wide, held, None))
    if width is None or max(map(text_width, lines), default=0) <= width:
        return text_table(wide, held, width, paint)
    return text_table(narrow, held, width, paint)


def duration(column: str) -> Callable[[Record], object]:
    """A time of ``column``, ns, to three digits in the unit that suits it: 208us, 45.1ms, 1.23s."""
    return lambda row: None if row[column] is None else Duration(row[column])


class Duration(int):
    """A time in ns that is written to three digits in the unit that suits it."""

    def __str__(self) -> str:
        for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
            value = self / unit
            if value >= 0.9995:
                return f"{value:.{max(3 - len(str(int(value))), 0) if value < 1000 else 0}f}{name}"
        return f"{int(self)}ns"


class Fixed(float):
    """A number that is written with three decimals."""

    def __str__(self) -> str:
        return f"{self:.3f}"


class Word:
    """A text in a column of numbers, which stays one: it stands on the right."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __float__(self) -> float:
        return 0.0

    def __str__(self) -> str:
        return self._word


BLANK = Word("")
NOTHING = Word("-")


def shortened(text: str, most: int | None) -> str:
    """``text``, cut after ``most`` characters if that makes it shorter; says how many there are besides."""
    rest = f" ... (+{len(text) - (most or 0)} characters)"
    return text if most is None or len(text) <= most + len(rest) else f"{text[:most]}{rest}"


def scaled(column: str, unit: float) -> Callable[[Record], object]:
    """The value of ``column`` divided by ``unit``, with three decimals."""
    return lambda row: None if row[column] is None else Fixed(row[column] / unit)


def clock(column: str) -> Callable[[Record], object]:
    """HH:MM:SS.mmm of a column with ISO 8601 text."""
    return lambda row: None if row[column] is None else row[column][11:23]
