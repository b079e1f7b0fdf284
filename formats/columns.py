"""What a table of a trace is described by: :mod:`bpfrec.formats.schema` has the descriptions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column: SQL type, comment, and how it is packed.

    ``dictionary``: values that come again; ``codes``: text of few distinct values, which its producer has as Arrow
    dictionaries; ``delta``: rising; ``plain``: few rows, or nearly always the same value.
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
        """Its file's name."""
        return f"{self.name}.parquet"


def table(name: str, comment: str, *columns: tuple[str, ...]) -> Table:
    """The table ``name`` whose columns have these parts of :class:`Column`."""
    return Table(name, comment, tuple(Column(*c) for c in columns))
