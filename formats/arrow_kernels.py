"""Arrow's own functions for columns, without ``pyarrow.compute``.

That module makes a Python function with a docstring for each of some three hundred, which takes longer than writing the
trace of a short recording. The functions themselves are in a C extension.
"""

from __future__ import annotations

from typing import Any, TypeVar

import pyarrow as pa

try:
    # What pyarrow.compute is made of: its call_function and its options are these.
    from pyarrow._compute import CastOptions, SetLookupOptions, call_function
except ImportError:
    from pyarrow.compute import CastOptions, SetLookupOptions, call_function

_Rows = TypeVar("_Rows", pa.Table, pa.Array, pa.ChunkedArray)


def taken(rows: _Rows, order: pa.Array) -> _Rows:
    """The ``rows`` at the places ``order``, in that order: what their method ``take`` gives."""
    return call_function("take", [rows, order])


def cast_to(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """``rows`` with the columns of ``schema``, which have the same names: what their method ``cast`` gives.

    Raises:
        ValueError: the names are others, or a value does not fit its new type.
    """
    if rows.column_names != schema.names:
        raise ValueError(f"columns {rows.column_names} cannot become {schema.names}")
    columns = [
        column if column.type == field.type else call_function("cast", [column], CastOptions.safe(field.type))
        for column, field in zip(rows.columns, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


def filled(column: pa.ChunkedArray, value: int) -> pa.ChunkedArray:
    """``column`` with ``value`` where it has none."""
    return call_function("coalesce", [column, pa.scalar(value, column.type)])


def counts_of(column: pa.Array | pa.ChunkedArray) -> dict[Any, int]:
    """How often each value of ``column`` is there, None among them."""
    return {entry["values"]: entry["counts"] for entry in call_function("value_counts", [column]).to_pylist()}


def is_one_value(column: pa.ChunkedArray) -> bool:
    """Whether all values of ``column``, which are numbers, are the same one."""
    found = call_function("min_max", [column])
    return bool(found["min"] == found["max"])


def places_in(column: pa.Array, known: pa.Array) -> pa.Array:
    """Where each value of ``column`` stands in ``known``, int32; -1 for one that does not."""
    found = call_function("index_in", [column], SetLookupOptions(known))
    return call_function("coalesce", [found, pa.scalar(-1, pa.int32())])


def encoded(column: pa.Array) -> pa.DictionaryArray:
    """``column`` as numbers of its distinct values: what its method ``dictionary_encode`` gives."""
    return call_function("dictionary_encode", [column])
