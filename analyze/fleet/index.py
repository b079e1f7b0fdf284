"""The index of a fleet: a row for each trace, made of the first 64 KiB of it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bpfrec.analyze.engine.errors import sql_errors
from bpfrec.analyze.engine.session import Scratch, connect
from bpfrec.analyze.fleet.places import Found, find_traces
from bpfrec.analyze.fleet.threads import in_threads
from bpfrec.analyze.views.recording import check_clock, wall_offset_ns
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.failure_counts import failures_in
from bpfrec.formats.remote.opening import open_reader
from bpfrec.formats.remote.remote_reader import RemoteTable, RemoteTraceReader
from bpfrec.formats.remote.uri import trace_place
from bpfrec.formats.schema import LOSSES, SYSCALLS
from bpfrec.formats.trace_reader import TraceReader, table_rows

if TYPE_CHECKING:
    import duckdb

INDEX_SUFFIX = ".parquet"
UNREAD = "unread"
_THREADS = 16
_ROWS_AT_ONCE = 1000
_COUNTS = pa.map_(pa.string(), pa.int64())
SCHEMA = pa.schema(
    [
        ("trace", pa.string()),
        ("size_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("version", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("host", pa.string()),
        ("kernel", pa.string()),
        ("arch", pa.string()),
        ("start", pa.timestamp("ns")),
        ("stop", pa.timestamp("ns")),
        ("stopped", pa.string()),
        ("finished", pa.bool_()),
        ("command_line", pa.string()),
        ("tool_version", pa.string()),
        ("calls", pa.int64()),
        ("events_lost", pa.int64()),
        ("syscalls", _COUNTS),
        ("failures", _COUNTS),
        ("bytes_read", pa.int64()),
    ]
)
"""``status``: ok, or unreadable or unread with a ``message``. ``syscalls``: calls by name. ``failures``: failed calls
by error; NULL where the manifest, of an older version, has no such counts and they were not to be counted.
``bytes_read``: what was read of a trace that is elsewhere, to make the row.
"""


def index_row(found: Found, *, failures: bool = False) -> dict[str, Any]:
    """The row of one trace. ``failures``: where the manifest does not say how many calls failed with which error, count
    them, which reads a column of the calls.
    """
    row: dict[str, Any] = {"trace": found.trace, "size_bytes": found.size, "modified_ns": found.modified_ns}
    try:
        with open_reader(trace_place(found.trace)) as reader:
            manifest = reader.manifest
            check_clock(manifest, str(reader.path))
            offset = wall_offset_ns(manifest)
            row |= {
                "size_bytes": reader.size_bytes(),
                "status": "ok",
                "host": manifest.host.name,
                "kernel": manifest.host.kernel,
                "arch": manifest.host.arch,
                "start": manifest.start_ns + offset,
                "stop": manifest.stop_ns + offset,
                "stopped": manifest.stopped,
                "finished": manifest.finished,
                "command_line": shlex.join(manifest.command_line),
                "tool_version": manifest.tool_version,
                "calls": table_rows(manifest).get(SYSCALLS.name, 0),
                "events_lost": _events_lost(reader),
                "syscalls": sorted(manifest.syscalls.items()),
                "failures": _failures(reader, count=failures),
            }
            if isinstance(reader, RemoteTraceReader):
                row |= {"version": reader.object.version, "bytes_read": reader.object.bytes_read}
    except (BpfrecError, OSError, pa.ArrowException) as error:
        message = error.message if isinstance(error, BpfrecError) else str(error).partition("\n")[0]
        return {**row, "status": "unreadable", "message": message}
    return row


def _events_lost(reader: TraceReader | RemoteTraceReader) -> int:
    path = reader.parquet(LOSSES)
    if path is None:
        return 0
    rows = pq.read_table(path, columns=["severity", "count"])
    lost = rows.filter(pc.equal(rows["severity"].cast(pa.string()), "data_loss"))
    return int(pc.sum(lost["count"]).as_py() or 0)


def _failures(reader: TraceReader | RemoteTraceReader, *, count: bool) -> list[tuple[str, int]] | None:
    if reader.manifest.failures is not None:
        return sorted(reader.manifest.failures.items())
    if not count:
        return None
    table = reader.queried(SYSCALLS)
    if table is None:
        return []
    source = pa.PythonFile(table.open(), mode="r") if isinstance(table, RemoteTable) else table
    return sorted(failures_in([source]).items())


def read_index(path: Path) -> pa.Table:
    """The rows of an index.

    Raises:
        BpfrecError: it is none.
    """
    try:
        rows = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        cause = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise BpfrecError(f"{path}: {cause}", "Make an index with: bpfrec fleet index PLACE -o FILE.parquet") from None
    if not set(SCHEMA.names) <= set(rows.column_names):
        raise BpfrecError(f"{path}: no index of traces", "Make one with: bpfrec fleet index PLACE -o FILE.parquet")
    return rows.select(SCHEMA.names)


class IndexBuilder:
    """Makes the rows of an index of the traces that ``places`` name. ``before``: those of an index made earlier.

    A trace whose size and time of change are those of before is not read again. When the rows are made, ``kept``,
    ``unreadable`` and ``uncounted`` count traces that were not read again, that cannot be read, and whose failures
    are not known. If the user ended it, ``ending`` is what said so, and ``unread`` counts those that were left out.
    ``progress`` is called with the number of traces that are done and that there are.
    """

    def __init__(
        self,
        places: Sequence[str],
        before: pa.Table | None = None,
        *,
        failures: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self._failures, self._progress = failures, progress
        self._before = SCHEMA.empty_table() if before is None else before
        self._found = {found.trace: found for place in places for found in find_traces(place)}
        self.kept = self.unreadable = self.uncounted = self.unread = 0
        self.ending: BaseException | None = None

    def rows(self) -> pa.Table:
        """The rows, in the order in which the traces were found.

        If the user ends it (KeyboardInterrupt, SystemExit), those that were not read have the status ``unread``, and
        are read next time.
        """
        known = self._known()
        new = [found for trace, found in self._found.items() if trace not in known]
        self.kept = len(known)
        made = _Rows()
        reading = in_threads(lambda found: index_row(found, failures=self._failures), new, _THREADS)
        try:
            for row in reading:
                made.add(row)
                self._progress(self.kept + len(made), len(self._found))
        except (KeyboardInterrupt, SystemExit) as ending:
            self.ending = ending
            for found in new:
                if found.trace not in made:
                    made.add(_unread(found))
                    self.unread += 1
        finally:
            reading.close()
        rows = pa.concat_tables([self._before.take(pa.array(list(known.values()), pa.int64())), made.table()])
        places = {trace: place for place, trace in enumerate([*known, *made])}
        rows = rows.take(pa.array([places[trace] for trace in self._found], pa.int64()))
        is_ok = pc.equal(rows["status"], "ok")
        self.unreadable = len(rows) - self.unread - (pc.sum(is_ok).as_py() or 0)
        self.uncounted = pc.sum(pc.and_(is_ok, pc.is_null(rows["failures"]))).as_py() or 0
        return rows

    def _known(self) -> dict[str, int]:
        """Traces that are as they were, and which row each has in the index of before."""
        known = {}
        columns = [self._before[name].to_pylist() for name in ("trace", "status", "size_bytes", "modified_ns")]
        counted = pc.is_valid(self._before["failures"]).to_pylist()
        for place, (trace, status, size, modified, is_counted) in enumerate(zip(*columns, counted, strict=True)):
            found = self._found.get(trace)
            if found is None or status != "ok" or found.modified_ns is None:
                continue
            if (size, modified) == (found.size, found.modified_ns) and (is_counted or not self._failures):
                known[trace] = place
        # In the order in which they were found.
        return {trace: known[trace] for trace in self._found if trace in known}


class _Rows:
    """Rows that come one by one, kept as columns, which take a tenth of the memory."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._waiting: list[dict[str, Any]] = []
        self._tables: list[pa.Table] = []

    def add(self, row: dict[str, Any]) -> None:
        self._names[row["trace"]] = None
        self._waiting.append(row)
        if len(self._waiting) == _ROWS_AT_ONCE:
            self._keep()

    def __contains__(self, trace: str) -> bool:
        return trace in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def table(self) -> pa.Table:
        self._keep()
        return pa.concat_tables(self._tables)

    def _keep(self) -> None:
        self._tables.append(pa.Table.from_pylist(self._waiting, schema=SCHEMA))
        self._waiting = []


def _unread(found: Found) -> dict[str, Any]:
    message = "the index was ended before this trace was read"
    return {"trace": found.trace, "size_bytes": found.size, "status": UNREAD, "message": message}


def chosen_traces(place: str, where: str | None) -> list[str]:
    """The traces of an index, a folder, a prefix or a list for whose rows in the index ``where`` (SQL) holds.

    Raises:
        BpfrecError: there is none, or the condition is wrong.
    """
    is_index = place.endswith(INDEX_SUFFIX)
    if not is_index and where is None:
        return [found.trace for found in find_traces(place)]
    rows = read_index(Path(place)) if is_index else IndexBuilder([place]).rows()
    with session(rows) as connection, sql_errors():
        relation = connection.view("traces")
        # The line break ends a comment.
        chosen = relation.filter(f"({where}\n)") if where else relation
        return [trace for (trace,) in chosen.project("trace").fetchall()]


@contextmanager
def session(rows: pa.Table) -> Iterator[duckdb.DuckDBPyConnection]:
    """A SQL session that reads no files, with the table ``traces``."""
    scratch = Scratch()
    connection = connect(scratch)
    try:
        connection.register("traces", rows)
        yield connection
    finally:
        connection.close()
        scratch.remove()
