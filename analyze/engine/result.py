"""What a report or a query answers with: columns, rows, and the SQL behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bpfrec.formats.errors import BpfrecError

if TYPE_CHECKING:
    import pyarrow

_ARROW_TYPES = {
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


Row = tuple[Any, ...]


@dataclass
class Result:
    """Rows with their column names and DuckDB types.

    ``sql`` is the query that gives the same rows when it is run on the same trace; ``notes`` are remarks for
    the reader that are no data (``open matched openat``), one line each. A TIMESTAMP_NS value stands in ``rows``
    as ISO 8601 text with nine decimals, since Python's datetime ends at microseconds. ``source`` gives the rows one
    after the other: a list, or a query that runs when it is iterated over.
    """

    columns: list[str]
    types: list[str]
    source: Iterable[Row]
    sql: str
    notes: list[str] = field(default_factory=list)

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
                arrays.append(
                    pa.array(values, type=getattr(pa, _ARROW_TYPES[kind])() if kind in _ARROW_TYPES else None)
                )
        return pa.Table.from_arrays(arrays, names=self.columns)

    def df(self) -> Any:
        """The rows as a pandas.DataFrame.

        Raises:
            BpfrecError: pandas is not installed.
        """
        try:
            return self.arrow().to_pandas()
        except ModuleNotFoundError:
            raise BpfrecError("a data frame needs pandas", "Install it with: pip install pandas") from None
