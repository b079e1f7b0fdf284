"""What bpfrec's columns are in Spark, and answers as Arrow batches of these types. Nothing here needs Spark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from bpfrec.analyze.engine.result import Result

FAILURE = "failure"
_ROWS_AT_ONCE = 8192
_TYPES: dict[str, tuple[str, pa.DataType]] = {
    "BOOLEAN": ("boolean", pa.bool_()),
    "TINYINT": ("tinyint", pa.int8()),
    "SMALLINT": ("smallint", pa.int16()),
    "INTEGER": ("int", pa.int32()),
    "BIGINT": ("bigint", pa.int64()),
    "UTINYINT": ("smallint", pa.int16()),
    "USMALLINT": ("int", pa.int32()),
    "UINTEGER": ("bigint", pa.int64()),
    "UBIGINT": ("decimal(20,0)", pa.decimal128(20, 0)),
    "HUGEINT": ("decimal(38,0)", pa.decimal128(38, 0)),
    "FLOAT": ("float", pa.float32()),
    "DOUBLE": ("double", pa.float64()),
    "VARCHAR": ("string", pa.string()),
    "BLOB": ("binary", pa.binary()),
    "TIMESTAMP_NS": ("timestamp", pa.timestamp("us", "UTC")),
}
"""Spark's type, and Arrow's, of each of DuckDB's. Spark has no unsigned integers, and no nanoseconds."""
_TEXT = ("string", pa.string())
_LIST = re.compile(r"(\w+)\[\]")


def ddl(columns: Sequence[str], types: Sequence[str]) -> str:
    """The columns in Spark's words. What Spark has no type for becomes text."""
    return ", ".join(
        f"`{name.replace('`', '``')}` {_types(kind)[0]}" for name, kind in zip(columns, types, strict=True)
    )


def _types(kind: str) -> tuple[str, pa.DataType]:
    listed = _LIST.fullmatch(kind)
    if listed and listed[1] in _TYPES:
        name, arrow = _TYPES[listed[1]]
        return f"array<{name}>", pa.list_(arrow)
    return _TYPES.get(kind, _TEXT)


def batches(result: Result, width: int | None = None) -> Iterator[pa.RecordBatch]:
    """The rows as Arrow batches of those types. ``width``: how many columns there are, where NULLs follow the rows'."""
    kinds = [_types(kind)[1] for kind in result.types]
    rows = iter(result)
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        arrays = [_array([row[place] for row in some], kind) for place, kind in enumerate(kinds)]
        more = [pa.nulls(len(some), pa.string())] * ((width or len(kinds)) - len(kinds))
        names = [*result.columns, *(FAILURE for _ in more)]
        yield pa.RecordBatch.from_arrays([*arrays, *more], names=names)


def failure_batch(columns: Sequence[str], types: Sequence[str], trace: str, message: str) -> pa.RecordBatch:
    """The row of a trace without an answer: its name, NULLs, and why."""
    row = [trace, *(None for _ in columns[1:]), message]
    kinds = [*(_types(kind)[1] for kind in types), pa.string()]
    arrays = [pa.array([value], kind) for value, kind in zip(row, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[*columns, FAILURE])


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        plain = [None if value is None else str(value).removesuffix("Z") for value in values]
        return pa.array(np.array(plain, dtype="datetime64[us]"), pa.timestamp("us")).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.array([None if value is None else Decimal(value) for value in values], kind)
    if pa.types.is_string(kind):
        return pa.array([None if value is None else str(value) for value in values], kind)
    return pa.array(values, kind)
