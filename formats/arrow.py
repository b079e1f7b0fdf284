"""Arrow schemas and Parquet options of the tables in :mod:`bpfrec.formats.schema`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.schema import Table

_TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "UBIGINT": pa.uint64(),
    "VARCHAR": pa.string(),
}


def arrow_schema(table: Table) -> pa.Schema:
    """The Arrow schema of ``table``; comments travel as field metadata."""
    return pa.schema(
        [pa.field(c.name, _TYPES[c.sql_type], metadata={"comment": c.comment}) for c in table.columns],
        metadata={"comment": table.comment},
    )


def parquet_writer(table: Table, path: Path) -> pq.ParquetWriter:
    """A Parquet writer for ``table``: zstd, rising columns delta-packed, repeating ones as dictionaries."""
    encodings = {c.name: "DELTA_BINARY_PACKED" for c in table.columns if c.packing == "delta"}
    return pq.ParquetWriter(
        path,
        arrow_schema(table),
        compression="zstd",
        use_dictionary=[c.name for c in table.columns if c.packing == "dictionary"],
        column_encoding=encodings or None,
    )
