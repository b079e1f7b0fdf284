"""The classes that describe a table of a trace; :mod:`bpfrec.formats.schema` has the descriptions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column: its SQL type, a comment for users, and how Parquet packs it.

    ``packing``: ``dictionary`` for values that repeat; ``codes`` for text of few distinct values, which is written from
    Arrow dictionaries; ``delta`` for rising numbers; ``plain`` for few rows, or nearly always the same value.
    """

    name: str
    sql_type: str
    comment: str
    packing: str = "plain"


@dataclass(frozen=True)
class Table:
    """A table, stored as ``NAME.parquet``."""

    name: str
    comment: str
    columns: tuple[Column, ...]

    @property
    def member(self) -> str:
        """The name of its file."""
        return f"{self.name}.parquet"


def table(name: str, comment: str, *columns: tuple[str, ...]) -> Table:
    """Makes a table; each of ``columns`` has the arguments of :class:`Column`."""
    return Table(name, comment, tuple(Column(*c) for c in columns))
