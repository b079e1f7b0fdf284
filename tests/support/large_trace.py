"""Traces made of a sample: a large one with its calls many times over, and many that have its calls among them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.columns import Table
from bpfrec.formats.schema import SYSCALLS, TABLES
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.formats.trace_writer import TraceWriter

SAMPLE = Path(__file__).parents[2] / "sample_traces" / "build.bpfrec"


def write_large_trace(target: Path, times: int) -> Path:
    """Each time the calls come later, with durations and arguments of their own, so that they do not compress away."""
    random = np.random.default_rng(7)
    with TraceReader(SAMPLE) as reader, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        writer = TraceWriter(Path(folder))
        manifest = reader.manifest
        for table, rows in _tables(reader):
            if table is not SYSCALLS:
                writer.write(table, rows)
                continue
            waiting = []
            for turn in range(times):
                changed = rows
                length = int(1e9) + manifest.stop_ns - manifest.start_ns
                for name, values in (
                    ("event_id", rows["event_id"].to_numpy() + turn * rows.num_rows),
                    ("ts_ns", rows["ts_ns"].to_numpy() + turn * length),
                    ("duration_ns", random.integers(0, 1 << 30, rows.num_rows)),
                    ("arg2", random.integers(0, 1 << 60, rows.num_rows)),
                ):
                    at = changed.schema.get_field_index(name)
                    kind = changed.schema.field(at).type
                    changed = changed.set_column(at, name, pa.array(values).cast(kind))
                waiting.append(changed)
                if len(waiting) * rows.num_rows > 1 << 16 or turn + 1 == times:
                    writer.write(table, pa.concat_tables(waiting))
                    waiting.clear()
        manifest.syscalls = {name: count * times for name, count in manifest.syscalls.items()}
        writer.finish(manifest, target, None)
    return target


def split_trace(folder: Path, parts: int) -> Path:
    """Writes ``parts`` traces into ``folder``: each has some of the sample's calls, one after the other, and all else
    whole.
    """
    with TraceReader(SAMPLE) as reader:
        for part in range(parts):
            work = folder / f"work-{part}"
            work.mkdir()
            writer = TraceWriter(work)
            for table, rows in _tables(reader):
                start, end = (rows.num_rows * n // parts for n in (part, part + 1))
                writer.write(table, rows.slice(start, end - start) if table is SYSCALLS else rows)
            writer.finish(reader.manifest, folder / f"part-{part}.bpfrec", None)
    return folder


def _tables(reader: TraceReader) -> Iterator[tuple[Table, pa.Table]]:
    """The tables that have rows, with the columns of today."""
    for table in TABLES:
        path = reader.parquet(table)
        rows = pq.read_table(path) if path else None
        if rows is None or not rows.num_rows:
            continue
        for lacking in (field for field in arrow_schema(table) if field.name not in rows.column_names):
            rows = rows.append_column(lacking, pa.nulls(rows.num_rows, lacking.type))
        yield table, rows.select([column.name for column in table.columns])
