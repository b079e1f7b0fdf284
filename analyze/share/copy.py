"""Writes a trace from another one, batch by batch: memory does not grow with its length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bpfrec.analyze.engine.errors import sql_errors
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.share.columns import BINARIES, ColumnRedactor
from bpfrec.analyze.share.selection import Selection, query_of
from bpfrec.formats import schema
from bpfrec.formats.columns import Table
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.remote.opening import open_reader
from bpfrec.formats.remote.uri import Uri
from bpfrec.formats.trace_writer import TraceWriter

_BINARIES = (schema.BINARIES, schema.BINARY_PARTS)
_ROWS = 16_384
_ROW_GROUP = 1 << 17
_ROW_GROUP_BYTES = 1 << 26
_LARGEST_PART = 1 << 20


def copy_rows(trace: Trace, selection: Selection, redactor: ColumnRedactor, writer: TraceWriter | None) -> Counter[str]:
    """Gives the rows that ``selection`` lets stay to ``redactor``, and what it makes of them to ``writer``.

    Returns how many calls there are of each name. Without a writer, they are only looked at.
    """
    calls: Counter[str] = Counter()
    for table in schema.TABLES:
        waiting: list[pa.Table] = []
        for batch in _batches(trace, table, selection):
            if table is schema.SYSCALLS:
                counts = pc.value_counts(batch.column("syscall")).to_pylist()
                calls.update({entry["values"]: entry["counts"] for entry in counts if entry["values"] is not None})
            made = redactor.batch(table, batch)
            if writer is None or (table in _BINARIES and BINARIES in redactor.chosen):
                continue
            waiting.append(made)
            if sum(rows.num_rows for rows in waiting) >= _ROW_GROUP or _size(waiting) >= _ROW_GROUP_BYTES:
                _write(writer, table, waiting)
        if writer is not None:
            _write(writer, table, waiting)
    return calls


def _write(writer: TraceWriter, table: Table, waiting: list[pa.Table]) -> None:
    if waiting:
        writer.write(table, pa.concat_tables(waiting))
    waiting.clear()


def _size(tables: list[pa.Table]) -> int:
    return sum(table.nbytes for table in tables)


def _batches(trace: Trace, table: Table, selection: Selection) -> Iterator[pa.RecordBatch]:
    if table is schema.BINARY_PARTS:
        yield from _parts(trace, selection)
        return
    with sql_errors():
        reader = trace.sql(query_of(table, selection)).to_arrow_reader(_ROWS)
        try:
            while batch := _next(reader):
                yield batch
        finally:
            reader.close()


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None


def _parts(trace: Trace, selection: Selection) -> Iterator[pa.RecordBatch]:
    """The contents of saved binaries, one part at a time: DuckDB would take thousands of them, a MiB each, at once."""
    table = schema.BINARY_PARTS
    numbers = f"SELECT DISTINCT binary_id FROM ({query_of(schema.BINARIES, selection)})"  # noqa: S608 - names of the format
    chosen = {number for (number,) in trace.sql(numbers).fetchall()}
    if not chosen or table.name in selection.dropped:
        return
    with open_reader(trace.path) as reader, _damage(trace.path):
        path = reader.parquet(table)
        if path is None:
            return
        with pq.ParquetFile(path, buffer_size=_LARGEST_PART, pre_buffer=False) as file:
            types = pa.schema([("binary_id", pa.int32()), ("position", pa.int64()), ("bytes", pa.binary())])
            for batch in file.iter_batches(batch_size=1, columns=types.names):
                if batch.nbytes > 2 * _LARGEST_PART:
                    raise ValueError("a part is larger than a MiB")
                if batch.column("binary_id")[0].as_py() in chosen:
                    yield batch.cast(types)


@contextmanager
def _damage(path: Path | Uri) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, KeyError, ValueError) as error:
        cause = str(error).splitlines()[0]
        raise TraceFileError(f"{path}: saved binaries are damaged: {cause}", "Ask for the file again.") from None
