"""Lines of bcc's tools that print one for each event: fields of fixed width, as their printf formats have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from types import NoneType
from typing import Any

from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.render.escape import printable

Record = Mapping[str, Any]
UNKNOWN = "?"
_MOST_TEXTS = 10_000
_PLAIN = (str, int, NoneType)


@dataclass(frozen=True)
class Field:
    """One field of a line.

    ``width`` as in printf: on the right, negative on the left, 0 as wide as it is. ``value``: the column of the rows,
    or what makes a text of a row; NULL is ``null``. ``gap`` stands behind it. ``when``: the option that asks for it;
    None: always there. ``most``: characters that are shown of it, as of ``%-12.12s``.
    ``head_width``: the width of the heading where bcc's format has another for it.
    ``sql``: the same value in SQL, from the columns of the rows: where all fields have one, DuckDB makes the lines.
    """

    heading: str
    width: int
    value: str | Callable[[Record], object]
    gap: str = " "
    when: str | None = None
    null: str = UNKNOWN
    most: int | None = None
    head_width: int | None = None
    sql: str | None = None

    def text(self, value: object) -> str:
        """The text of a value, in the width of the field."""
        text = self.null if value is None else printable(str(value))
        return self.padded(text if self.most is None else text[: self.most])

    def padded(self, text: str, width: int | None = None) -> str:
        """``text`` in the width of the field, or another, with what stands behind it."""
        width = self.width if width is None else width
        return (text.ljust(-width) if width < 0 else text.rjust(width)) + self.gap


def bcc_lines(fields: Sequence[Field], rows: Iterable[Record], options: Mapping[str, Any]) -> Iterator[str]:
    """The header, and a line for each of ``rows``; ``options`` say which fields are asked for."""
    yield header(fields, options)
    makers = [_maker(field) for field in _shown(fields, options)]
    for row in rows:
        yield "".join([made(row) for made in makers])


def header(fields: Sequence[Field], options: Mapping[str, Any]) -> str:
    """The header of the fields that ``options`` ask for."""
    return "".join(field.padded(field.heading, field.head_width) for field in _shown(fields, options))


def line_in_sql(fields: Sequence[Field], options: Mapping[str, Any]) -> str | None:
    """The SQL expression of a line, but that it is still to be made printable; None: not all fields have theirs."""
    values, form = [], ""
    for field in _shown(fields, options):
        value = field.value if field.sql is None else field.sql
        if not isinstance(value, str):
            return None
        text = f"coalesce(CAST({value} AS VARCHAR), {literal(field.null)})"
        values.append(text if field.most is None else f"substring({text}, 1, {field.most})")
        form += f"{{:{'<' if field.width < 0 else '>'}{abs(field.width)}}}" if field.width else "{}"
        form += field.gap
    return f"format({literal(form)}, {', '.join(values)})"


def _shown(fields: Sequence[Field], options: Mapping[str, Any]) -> list[Field]:
    return [field for field in fields if field.when is None or options[field.when]]


def _maker(field: Field) -> Callable[[Record], str]:
    """What makes the text of ``field`` in a row, and remembers it: the same names and numbers come again and again."""
    of = itemgetter(field.value) if isinstance(field.value, str) else field.value
    known, text = lru_cache(_MOST_TEXTS, typed=True)(field.text), field.text

    def made(row: Record) -> str:
        value = of(row)
        # Other values can be equal and have other texts.
        return known(value) if type(value) in _PLAIN else text(value)

    return made


def decimals(column: str, digits: int, unit: float = 1.0) -> Callable[[Record], str | None]:
    """The value of ``column`` divided by ``unit``, with so many decimals; None for NULL."""
    return lambda row: None if row[column] is None else f"{row[column] / unit:.{digits}f}"


def clock(column: str) -> Callable[[Record], str | None]:
    """HH:MM:SS of a column with ISO 8601 text; None for NULL."""
    return lambda row: None if row[column] is None else row[column][11:19]
