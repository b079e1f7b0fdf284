"""All bytes of a trace as nobody compressed or encoded them, so that they can be searched."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def plain_bytes(trace: Path) -> bytes:
    """The bytes of the file, and those of each table's values without compression and dictionaries."""
    parts = [trace.read_bytes()]
    with zipfile.ZipFile(trace) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            parts.append(content)
            if name.endswith(".parquet"):
                file = pq.ParquetFile(BytesIO(content))
                parts.append(str(file.metadata.metadata).encode() + str(file.schema).encode())
                parts += [_serialized(batch) for batch in file.iter_batches()]
    return b"\n".join(parts)


def _serialized(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    plain: bytes = sink.getvalue().to_pybytes()
    return plain
