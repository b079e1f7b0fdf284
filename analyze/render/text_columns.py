"""Tables for people: which column of a report is shown under which heading, and how its values are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


def text_table(columns: Sequence[TextColumn], rows: Iterable[Record], width: int | None) -> Iterator[str]:
    """The lines of a table of ``rows``, at most ``width`` character cells wide."""
    cells = ([column.of(row) for column in columns] for row in rows)
    return table([column.heading for column in columns], cells, width)


class Fixed(float):
    """A number that is written with three decimals."""

    def __str__(self) -> str:
        return f"{self:.3f}"


class _Word:
    """A word in a column of numbers, which stays one."""

    def __init__(self, word: str) -> None:
        self._word = word

    def __float__(self) -> float:
        return 0.0

    def __str__(self) -> str:
        return self._word


BLANK = _Word("")
NOTHING = _Word("-")


def scaled(column: str, unit: float) -> Callable[[Record], object]:
    """The value of ``column`` divided by ``unit``, with three decimals."""
    return lambda row: None if row[column] is None else Fixed(row[column] / unit)


def clock(column: str) -> Callable[[Record], object]:
    """HH:MM:SS.mmm of a column with ISO 8601 text."""
    return lambda row: None if row[column] is None else row[column][11:23]
