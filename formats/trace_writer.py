"""Writes a trace: tables as files in a folder, then one zip, which is renamed to its name when it is complete."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema, parquet_writer, written_schema
from bpfrec.formats.arrow_kernels import cast_to
from bpfrec.formats.columns import Table
from bpfrec.formats.failure_counts import failures_in
from bpfrec.formats.leading_manifest import LeadingManifest
from bpfrec.formats.manifest import Manifest, TableEntry
from bpfrec.formats.parquet_joining import JoinedParquet
from bpfrec.formats.schema import LOSSES, SYSCALLS, TABLES
from bpfrec.formats.trace_members import store_table

_COPY_BYTES = 1 << 20
_ROWS_AT_ONCE = 1 << 15
_LARGER = 100
"""No table is so many times as large as all files in the folder."""

_RARE = frozenset(
    ("binaries", "binary_parts", "log_lines", "sched", "signals", "thread_tables", "uring", "uring_closes")
)


class TraceWriter:
    """Collects the tables of one trace as Parquet files in ``folder`` and closes them into one file.

    Every table of the format is written, the empty ones too, but for those that few recordings have. Disk errors come
    as OSError. ``keeps_parts``: parts stay when they are joined, for the trace may fail and they may be all there is.
    """

    keeps_parts = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = {t.name: (folder / t.member).open("wb") for t in TABLES}
        self._writers: dict[str, pq.ParquetWriter] = {t.name: parquet_writer(t, self._files[t.name]) for t in TABLES}
        self._rows = {t.name: 0 for t in TABLES}
        self._parts: dict[str, list[list[Path]]] = {t.name: [] for t in TABLES}

    def write(self, table: Table, rows: pa.Table | pa.RecordBatch) -> None:
        """Appends ``rows``, whose columns are those of ``table``, as one row group.

        Text may come as Arrow strings or dictionaries; what the format packs as ``codes`` is cheapest as dictionaries.
        """
        if rows.num_rows:
            batch = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
            # Arrow writes no dictionary if two chunks of a row group have different ones.
            self._writers[table.name].write_table(cast_to(batch, written_schema(table)).unify_dictionaries())
            self._rows[table.name] += rows.num_rows

    def write_rows(self, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        """Appends rows given as dictionaries, for small tables; Arrow tables are made of some thousands at a time."""
        waiting = iter(rows)
        while some := list(islice(waiting, _ROWS_AT_ONCE)):
            self.write(table, pa.Table.from_pylist(some, schema=arrow_schema(table)))

    def add_part(self, table: Table, files: Sequence[Path], rows: int) -> None:
        """Adds ``rows`` rows to ``table`` as Parquet files, which are joined with the rest and removed.

        ``files``: with the same row groups and together all columns, each as :func:`.parquet_writer` writes it.
        """
        self._parts[table.name].append(list(files))
        self._rows[table.name] += rows

    def finish(self, manifest: Manifest, target: Path, owner: tuple[int, int] | None) -> int:
        """Closes the tables and makes ``target`` from them, as :meth:`make_file` does. Returns its size in bytes.

        ``target`` is on the file system of the folder, and is whole or not there.
        """
        made, size = self.make_file(manifest, owner)
        made.replace(target)
        return size

    def make_file(self, manifest: Manifest, owner: tuple[int, int] | None) -> tuple[Path, int]:
        """Closes the tables and makes one file of them in the folder, mode 0600, owned by ``owner`` (uid, gid).

        Fills ``manifest.tables`` and ``manifest.failures``. Returns the path of the file and its size in bytes.
        """
        for writer in self._writers.values():
            writer.close()
        for written in self._files.values():
            written.close()
        partial = self._folder / "trace.zip"
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                tables = [table for table in TABLES if self._rows[table.name] or table.name not in _RARE]
                rows = {table.name: self._rows[table.name] for table in tables}
                # Counted here, whoever makes the trace, so that they are those of the calls in it.
                manifest.failures = failures_in(self._files_of(SYSCALLS))
                leading = LeadingManifest(archive, manifest, rows, _LARGER * _size(self._folder))
                # Who reads the first 64 KiB of a file that is elsewhere knows what was lost.
                for table in sorted(tables, key=lambda table: table is not LOSSES):
                    manifest.tables[table.name] = self._store(archive, table)
                manifest.tables = {table.name: manifest.tables[table.name] for table in tables}
                leading.fill(manifest)
            if owner:
                # Some file systems have no owners; the trace matters more.
                with suppress(PermissionError):
                    os.fchown(file.fileno(), *owner)
            file.flush()
            os.fsync(file.fileno())
            size = file.seek(0, os.SEEK_END)
        return partial, size

    def _files_of(self, table: Table) -> list[Path]:
        """The Parquet files of ``table``; those of a part have some of its columns each."""
        files = [file for files in self._parts[table.name] for file in files]
        return [*files, self._folder / table.member]

    def _store(self, archive: zipfile.ZipFile, table: Table) -> TableEntry:
        path = self._folder / table.member
        parts = self._parts[table.name]
        blocks = JoinedParquet(table, [*parts, [path]]).blocks() if parts else _blocks(path)
        entry = store_table(archive, table.member, blocks, self._rows[table.name])
        path.unlink()
        if not self.keeps_parts:
            for file in (file for files in parts for file in files):
                file.unlink()
        return entry


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_COPY_BYTES):
            yield block


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
