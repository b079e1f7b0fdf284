"""Rows of a query over a trace as columns of Python values, some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.engine.errors import sql_errors

if TYPE_CHECKING:
    import pyarrow as pa

    from bpfrec.analyze.facade import Trace

_ROWS_AT_ONCE = 1 << 16


def batches(trace: Trace, sql: str) -> Iterator[list[list[Any]]]:
    """The columns of the query, some rows at a time, as lists of Python values.

    Raises:
        BpfrecError: the query fails at what is in the trace.
    """
    relation = trace.sql(sql)
    # Older versions of DuckDB have it by another name.
    make_reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
    with sql_errors():
        reader = iter(make_reader(_ROWS_AT_ONCE))
    while True:
        with sql_errors():
            batch = next(reader, None)
        if batch is None:
            return
        yield [_values(column) for column in batch.columns]


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or column.type == pa.string_view():
        if column.type == pa.string_view():
            column = column.cast(pa.string())
        # Few distinct values are few objects: they cost less, and a dictionary finds them faster.
        encoded = column.dictionary_encode()
        texts = [*encoded.dictionary.to_pylist(), None]
        codes = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False).tolist()
        return [texts[code] for code in codes]
    if pa.types.is_integer(column.type) and not column.null_count:
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    listed: list[Any] = column.to_pylist()
    return listed
