"""Rows as a Parquet file."""

from __future__ import annotations

from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from bpfrec.analyze.engine.result import ARROW_TYPES, Result
from bpfrec.analyze.render.data import distinct

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_AT_ONCE = 100_000

_TYPES = ARROW_TYPES | {"BLOB": "binary"}


def write_parquet(result: Result, file: IO[bytes]) -> None:
    """Writes ``result`` to ``file``, some rows at a time. Times keep their nanoseconds, and are UTC.

    What Parquet has no type for that suits, as a list of structs with NULLs alone, becomes text.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = iter(result.source)
    some = list(islice(rows, _ROWS_AT_ONCE))
    types = [_type(kind, [row[place] for row in some]) for place, kind in enumerate(result.types)]
    schema = pa.schema(zip(distinct(result.columns), types, strict=True))
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while True:
            columns = [_array([row[place] for row in some], kind) for place, kind in enumerate(types)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            some = list(islice(rows, _ROWS_AT_ONCE))
            if not some:
                break


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
