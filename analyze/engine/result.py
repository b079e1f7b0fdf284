"""What a report or a query answers with: columns, rows, and the SQL behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.engine.preview import ROWS_SHOWN, counted, html_preview, printable, text_preview
from bpfrec.formats.errors import BpfrecError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow

Row = tuple[Any, ...]

ARROW_TYPES = {
    "BOOLEAN": "bool_",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "VARCHAR": "string",
}
"""pyarrow's function for each of DuckDB's types whose values it takes as they are."""

_PANDAS_INTEGERS = {
    "int8": "Int8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "uint8": "UInt8",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "uint64": "UInt64",
}
"""pandas' types of integers that can be missing, by Arrow's name of the same."""


@dataclass(repr=False)
class Result:
    """Rows with their column names and DuckDB types.

    ``sql`` is the query that gives the same rows when it is run on the same trace; ``notes`` are remarks for
    the reader that are no data (``open matched openat``), one line each. ``refused`` counts parts of the question that
    were left out because they cannot be answered; notes say why. ``grows``: rows come while they are read, and each is
    to be shown at once. A TIMESTAMP_NS value stands in ``rows`` as ISO 8601 text with nine decimals, since Python's
    datetime ends at microseconds. ``source`` gives the rows one after the other: a list, or a query that runs when it
    is iterated over.
    """

    columns: list[str]
    types: list[str]
    source: Iterable[Row]
    sql: str
    notes: list[str] = field(default_factory=list)
    refused: int = 0
    grows: bool = False

    def __len__(self) -> int:
        """The number of rows. Reading it reads them all, and keeps them in memory."""
        return len(self.rows)

    def __bool__(self) -> bool:
        """True, also without rows: a result is there."""
        return True

    def __iter__(self) -> Iterator[Row]:
        """The rows as tuples, one after the other, not kept if the query runs when they are read."""
        return iter(self.source)

    def __repr__(self) -> str:
        """The notes, the first rows as a table, and how many there are. No query runs for it."""
        notes = (f"note: {note}" for note in self.notes)
        table = [text_preview(self.columns, self.source)] if isinstance(self.source, list) else []
        return "\n".join([*table, *map(printable, notes), self._extent()])

    def _repr_html_(self) -> str:
        """The same for a notebook."""
        table = html_preview(self.columns, self.source) if isinstance(self.source, list) else ""
        notes = "".join(f"<p>{escape(printable(note))}</p>" for note in self.notes)
        return f"{table}{notes}<p>{escape(self._extent())}</p>"

    def _extent(self) -> str:
        columns = counted(len(self.columns), "column")
        if not isinstance(self.source, list):
            return printable(f"[{columns}, rows not read yet: {', '.join(self.columns)}]")
        rows = counted(len(self.source), "row")
        more = f", the first {ROWS_SHOWN} shown" if len(self.source) > ROWS_SHOWN else ""
        return f"[{rows} of {columns}{more}]"

    @property
    def rows(self) -> list[Row]:
        """The rows, all in memory."""
        if not isinstance(self.source, list):
            self.source = list(self.source)
        return self.source

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries by column name, one after the other, none of them kept."""
        names = self.columns
        return (dict(zip(names, row, strict=True)) for row in self.source)

    def dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def arrow(self) -> pyarrow.Table:
        """The rows as an Arrow table; TIMESTAMP_NS columns become timestamps in ns."""
        import numpy as np  # noqa: PLC0415
        import pyarrow as pa  # noqa: PLC0415

        arrays = []
        for i, kind in enumerate(self.types):
            values = [row[i] for row in self.rows]
            if kind == "TIMESTAMP_NS":
                arrays.append(pa.array(np.array(values, dtype="datetime64[ns]"), type=pa.timestamp("ns")))
            else:
                arrays.append(pa.array(values, type=getattr(pa, ARROW_TYPES[kind])() if kind in ARROW_TYPES else None))
        return pa.Table.from_arrays(arrays, names=self.columns)

    def df(self) -> pd.DataFrame:
        """The rows as a pandas.DataFrame.

        An integer column with missing values has one of pandas' nullable types (``UInt64``), so that all digits stay:
        as a float, such as pandas itself would make of ``arg0`` to ``arg5``, it would be exact up to 2**53 only.

        Raises:
            BpfrecError: pandas is not installed.
        """
        _required("pandas", "a pandas.DataFrame")
        table = self.arrow()
        frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
        for field_ in table.schema:
            kind = _PANDAS_INTEGERS.get(str(field_.type))
            if kind and table.schema.names.count(field_.name) == 1 and table[field_.name].null_count:
                frame[field_.name] = frame[field_.name].astype(kind)
        return frame

    def pl(self) -> pl.DataFrame:
        """The rows as a polars.DataFrame.

        Raises:
            BpfrecError: polars is not installed.
        """
        frame: pl.DataFrame = _required("polars", "a polars.DataFrame").from_arrow(self.arrow())
        return frame


def _required(library: str, what: str) -> Any:
    try:
        return import_module(library)
    except ModuleNotFoundError:
        raise BpfrecError(f"{what} needs {library}", f"Install it with: pip install {library}") from None
