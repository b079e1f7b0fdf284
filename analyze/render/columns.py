"""Columns of Arrow as columns of text: a million rows take seconds where they take a minute row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_INTEGERS = frozenset(f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"))
_SAME = _INTEGERS | {"BOOLEAN", "FLOAT", "DOUBLE", "VARCHAR", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "NULL"}
"""DuckDB's types that Arrow has the same values of as the rows of a result; times come as text."""


def are_known(types: Sequence[str]) -> bool:
    """Whether columns of these types of DuckDB can be read as Arrow."""
    return _SAME.issuperset(types)


def texts(column: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    """``text`` of each value of ``column``, once for equal ones; NULL stays.

    Integers, true and false are written as they are.
    """
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type) or pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_floating(column.type):
        return pa.array([None if value is None else text(value) for value in column.to_pylist()], pa.string())
    distinct = column.dictionary_encode()
    return pa.array(map(text, distinct.dictionary.to_pylist()), pa.string()).take(distinct.indices)


def joined(columns: Sequence[pa.Array | str], null: str) -> pa.Array:
    """A text for each row: its columns and the fixed texts between them; ``null`` stands for NULL."""
    import pyarrow.compute as pc  # noqa: PLC0415

    return pc.binary_join_element_wise(*columns, "", null_handling="replace", null_replacement=null)
