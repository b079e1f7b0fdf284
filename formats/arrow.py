"""Arrow schemas and Parquet options of the tables in :mod:`bpfrec.formats.schema`."""

from __future__ import annotations

import inspect
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.columns import Table

_TYPES = {
    "BIGINT": pa.int64(),
    "BLOB": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "UBIGINT": pa.uint64(),
    "VARCHAR": pa.string(),
}
_CODES = pa.dictionary(pa.int32(), pa.string())

# Readers skip row groups by the smallest and largest value of these columns. For text they would cost too much time.
_STATISTICS = frozenset({"event_id", "ts_ns", "duration_ns", "pid", "tid", "uid", "cpu", "nr", "ret", "stack_id"})

# Newer versions of Arrow make pages of 20,000 rows, which take a tenth more time and space.
_LONG_PAGES: dict[str, Any] = (
    {"max_rows_per_page": 1 << 20} if "max_rows_per_page" in inspect.signature(pq.ParquetWriter).parameters else {}
)


def arrow_schema(table: Table) -> pa.Schema:
    """Returns the Arrow schema of ``table`` as readers see it."""
    return pa.schema([pa.field(c.name, _TYPES[c.sql_type]) for c in table.columns])


def written_schema(table: Table) -> pa.Schema:
    """Returns the Arrow schema that ``table`` is written with: ``codes`` are dictionaries in it."""
    return pa.schema([pa.field(c.name, _CODES if c.packing == "codes" else _TYPES[c.sql_type]) for c in table.columns])


def parquet_writer(table: Table, file: IO[bytes]) -> pq.ParquetWriter:
    """Makes a Parquet writer for ``table`` (zstd, level 1); it takes tables of :func:`written_schema`.

    It does not close ``file``. It gets no path, for Arrow refuses those that are not UTF-8.
    """
    encodings = {c.name: "DELTA_BINARY_PACKED" for c in table.columns if c.packing == "delta"}
    return pq.ParquetWriter(
        file,
        written_schema(table),
        compression="zstd",
        use_dictionary=[c.name for c in table.columns if c.packing in ("dictionary", "codes")],
        column_encoding=encodings or None,
        write_statistics=[c.name for c in table.columns if c.name in _STATISTICS],
        # Arrow's own schema would be most of a small table, and would make readers return dictionaries for text.
        store_schema=False,
        # They tell which row groups of a damaged table are whole.
        write_page_checksum=True,
        **_LONG_PAGES,
    )
