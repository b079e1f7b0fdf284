"""Rows as a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from bpfrec.analyze.engine.result import ARROW_TYPES, Result, Row
from bpfrec.analyze.render.data import distinct

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 100_000

_TYPES = ARROW_TYPES | {"BLOB": "binary"}


def write_parquet(result: Result, file: IO[bytes], batches: Iterable[pa.RecordBatch] = ()) -> None:
    """Writes ``result`` to ``file``, some rows at a time. Times keep their nanoseconds, and are UTC.

    What Parquet has no type for that suits, as a list of structs with NULLs alone, becomes text. ``batches``: the rows
    in columns, if they are at hand; result.types are such that these have the same values.
    """
    if batches:
        types = [_type(kind, []) for kind in result.types]
        _write(result, file, types, ([*map(_cast, batch.columns, types)] for batch in batches))
        return
    rows = iter(result.source)
    some = list(islice(rows, _ROWS_AT_ONCE))
    types = [_type(kind, [row[place] for row in some]) for place, kind in enumerate(result.types)]
    _write(result, file, types, _columns(types, some, rows))


def _write(result: Result, file: IO[bytes], types: list[pa.DataType], parts: Iterable[Sequence[pa.Array]]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema(zip(distinct(result.columns), types, strict=True))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for columns in parts:
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=_ROWS_AT_ONCE)


def _columns(types: list[pa.DataType], some: list[Row], rows: Iterator[Row]) -> Iterator[list[pa.Array]]:
    """The columns of ``some`` rows, though there may be none, and then of further ones."""
    while True:
        yield [_array([row[place] for row in some], kind) for place, kind in enumerate(types)]
        some = list(islice(rows, _ROWS_AT_ONCE))
        if not some:
            break


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(kind) and not pa.types.is_timestamp(column.type):
        # Text without a zone.
        return column.cast(pa.timestamp("ns")).cast(kind)
    return column.cast(kind)


def _type(kind: str, values: list[Any]) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    if kind == "TIMESTAMP_NS":
        return pa.timestamp("ns", "UTC")
    if kind in _TYPES:
        return getattr(pa, _TYPES[kind])()
    if kind.endswith("[]") and kind[:-2] in _TYPES:
        return pa.list_(_type(kind[:-2], []))
    try:
        found = pa.infer_type([value for value in values if value is not None])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        import numpy as np  # noqa: PLC0415

        plain = [None if value is None else str(value).removesuffix("Z") for value in values]
        return pa.array(np.array(plain, dtype="datetime64[ns]"), pa.timestamp("ns")).cast(kind)
    if pa.types.is_string(kind):
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, kind)
