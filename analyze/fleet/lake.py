"""The tables of many traces as one lake of Parquet, for engines that read no ``.bpfrec``.

Members are Parquet files: they are copied byte for byte, and their checksums compared on the way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.analyze.fleet.index import SCHEMA, index_row
from bpfrec.analyze.fleet.places import SUFFIX, Found
from bpfrec.analyze.fleet.threads import in_threads
from bpfrec.formats.errors import BpfrecError, TraceFileError
from bpfrec.formats.remote.opening import open_reader
from bpfrec.formats.remote.store_source import cause_of, file_system, store_error
from bpfrec.formats.remote.uri import Uri, trace_place
from bpfrec.formats.schema import TABLES

TRACES = "traces.parquet"
SCRIPT = "views.sql"
_THREADS = 8
_ID = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_NAME = 80
_KNOWN = {table.name for table in TABLES}


def trace_id(trace: str) -> str:
    """The name of a trace in the lake: that of its file, and digits that tell apart those of one name."""
    name = _ID.sub("_", Path(str(trace_place(trace))).name.removesuffix(SUFFIX))[:_MOST_NAME]
    return f"{name}-{hashlib.sha256(trace.encode()).hexdigest()[:10]}"


class Lake:
    """A folder, or a place in a store, that traces are copied to.

    Raises:
        BpfrecError: it cannot be written.
    """

    def __init__(self, target: str) -> None:
        self._place = trace_place(target)
        self._shown = str(self._place)
        self._system: pyarrow.fs.FileSystem
        if isinstance(self._place, Uri):
            if self._place.scheme in ("http", "https"):
                raise BpfrecError(f"{self._shown}: a web server takes no files", "Name a folder or a store.")
            try:
                self._system, self._root = file_system(self._place)
            except OSError as error:
                raise store_error(self._place, error) from None
        else:
            self._system, self._root = pyarrow.fs.LocalFileSystem(), str(self._place.resolve())
        self.bytes_copied = 0

    def add(self, traces: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Copies ``traces``, and at the end writes their index and a script with views for DuckDB.

        Gives each trace, and what failed: '' if nothing did. A trace that is in the lake is written again.
        """
        names = list(traces)
        rows: dict[str, dict[str, object]] = {}
        tables: dict[str, set[str]] = {}
        copying = in_threads(self._copy, names, _THREADS)
        try:
            for trace, row, copied, fault in copying:
                if not fault:
                    rows[trace] = {**row, "id": trace_id(trace)}
                    for name in copied:
                        tables.setdefault(name, set()).add(trace_id(trace))
                yield trace, fault
        finally:
            copying.close()
        self._write_index([rows[trace] for trace in names if trace in rows])
        self._write(SCRIPT, [_script(sorted(tables)).encode()])

    def _copy(self, trace: str) -> tuple[str, dict[str, object], list[str], str]:
        copied = []
        try:
            with open_reader(trace_place(trace)) as reader:
                for name in reader.manifest.tables:
                    if name not in _KNOWN:
                        continue
                    digest = hashlib.sha256()
                    self._write(
                        f"{name}/trace={quote(trace_id(trace))}/part.parquet", _digested(reader.blocks(name), digest)
                    )
                    if digest.hexdigest() != reader.manifest.tables[name].sha256:
                        self._remove(f"{name}/trace={quote(trace_id(trace))}")
                        raise TraceFileError(f"{reader.path}: {name}.parquet is damaged: its checksum is wrong")
                    copied.append(name)
        except (BpfrecError, OSError) as error:
            return trace, {}, copied, error.message if isinstance(error, BpfrecError) else cause_of(error)
        return trace, index_row(Found(trace)), copied, ""

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            self._system.delete_dir(f"{self._root}/{name}")

    def _write_index(self, rows: list[dict[str, object]]) -> None:
        schema = SCHEMA.insert(0, pa.field("id", pa.string()))
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
        self._write(TRACES, [sink.getvalue().to_pybytes()])

    def _write(self, name: str, blocks: Iterable[bytes]) -> None:
        path = f"{self._root}/{name}"
        try:
            self._system.create_dir(path.rpartition("/")[0], recursive=True)
            with self._system.open_output_stream(path) as target:
                for block in blocks:
                    target.write(block)
                    self.bytes_copied += len(block)
        except OSError as error:
            raise BpfrecError(f"{self._shown}: {name} cannot be written: {cause_of(error)}") from None


def _digested(blocks: Iterable[bytes], digest: hashlib._Hash) -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block


def _script(tables: list[str]) -> str:
    """Views of the tables for DuckDB, to be run in the folder of the lake."""
    views = (
        f"CREATE OR REPLACE VIEW {identifier(name)} AS\n"
        f"FROM read_parquet({literal(f'{name}/*/part.parquet')}, hive_partitioning = true, union_by_name = true);\n"
        for name in tables
    )
    head = "-- DuckDB, in this folder: duckdb -init views.sql. The column trace is the id in the table traces.\n"
    return f"{head}CREATE OR REPLACE VIEW traces AS FROM read_parquet({literal(TRACES)});\n{''.join(views)}"
