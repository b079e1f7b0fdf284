"""Makes a large trace of a small one: the same calls again and again, each time later and by other processes.

Usage: python tests/bench/multiply.py TRACE CALLS OUTPUT

Stacks are shared by all repetitions, as a recorder shares those of processes that execute the same files.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema
from bpfrec.formats.columns import Table
from bpfrec.formats.schema import FRAMES, STACKS, SYSCALLS, TABLES
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.formats.trace_writer import TraceWriter

_ROW_GROUP = 1 << 17
"""As many rows as the recorder writes at once."""

_TIMES = ("ts_ns", "start_ns", "end_ns", "snapshot_ns", "until_ns")
_IDS = ("pid", "tid", "ppid", "files_tid", "directories_tid")
_PIDS_APART = 4_000_000
"""Below the largest pid of Linux."""


class Repeated:
    """The tables of a trace, repeated ``times`` times."""

    def __init__(self, reader: TraceReader, times: int) -> None:
        self._reader, self._times = reader, times
        calls = self.rows(SYSCALLS)
        self._calls = calls.num_rows
        self._ns = reader.manifest.stop_ns - reader.manifest.start_ns
        self._ids = max(pc.max(calls["tid"]).as_py() - pc.min(calls["pid"]).as_py() + 1, 1)
        if self._ids * times > _PIDS_APART:
            raise SystemExit("multiply: the processes of so many repetitions have no numbers")

    @property
    def stop_ns(self) -> int:
        """When the last repetition ends."""
        return self._reader.manifest.start_ns + self._ns * self._times

    def rows(self, table: Table) -> pa.Table:
        """The rows of the small trace."""
        path = self._reader.parquet(table)
        rows = pq.read_table(path) if path else arrow_schema(table).empty_table()
        schema = arrow_schema(table)
        # Older traces lack columns.
        columns = [rows[f.name] if f.name in rows.column_names else pa.nulls(rows.num_rows, f.type) for f in schema]
        return pa.table(columns, schema=schema)

    def groups(self, table: Table) -> Iterator[pa.Table]:
        """The rows of all repetitions, in groups."""
        rows = self.rows(table)
        if table in (STACKS, FRAMES) or not rows.num_rows:
            yield rows
            return
        at_once = max(_ROW_GROUP // rows.num_rows, 1)
        for begin in range(0, self._times, at_once):
            numbers = range(begin, min(begin + at_once, self._times))
            yield pa.concat_tables([self._shifted(rows, number) for number in numbers]).combine_chunks()

    def _shifted(self, rows: pa.Table, number: int) -> pa.Table:
        by = dict.fromkeys(_TIMES, self._ns) | dict.fromkeys(_IDS, self._ids) | {"event_id": self._calls}
        for name in by.keys() & set(rows.column_names):
            at = rows.column_names.index(name)
            shift = pa.scalar(by[name] * number, rows.schema.field(at).type)
            rows = rows.set_column(at, name, pc.add(rows[name], shift))
        return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=Path)
    parser.add_argument("calls", type=int, help="at least so many")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    with TraceReader(options.trace) as reader, tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        manifest = reader.manifest
        once = manifest.tables[SYSCALLS.name].rows
        times = -(-options.calls // once)
        repeated = Repeated(reader, times)
        writer = TraceWriter(Path(folder))
        for table in TABLES:
            print(f"\r{table.name}\033[K", end="", file=sys.stderr)
            for group in repeated.groups(table):
                writer.write(table, group)
        manifest.tables.clear()
        manifest.stop_ns = repeated.stop_ns
        manifest.syscalls = {name: rows * times for name, rows in manifest.syscalls.items()}
        manifest.counters = {name: number * times for name, number in manifest.counters.items()}
        size = writer.finish(manifest, options.output, None)
    print(f"\r{options.output}: {once * times:,} calls, {size:,} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
