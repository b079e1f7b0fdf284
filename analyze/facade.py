"""A trace, open for questions: the facade over the reader of its file, the SQL engine, views and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.engine.catalog import SYS_SCHEMA, Catalog
from bpfrec.analyze.engine.engine import Engine
from bpfrec.analyze.engine.parquet_source import parquet_pattern
from bpfrec.analyze.engine.preview import counted, html_preview, shown
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.session import Scratch, connect
from bpfrec.analyze.engine.sqltemplate import bundled_sql, render_text
from bpfrec.analyze.reports import compute
from bpfrec.analyze.views.library import TraceLibrary
from bpfrec.analyze.views.recording import check_clock, wall_offset_ns
from bpfrec.analyze.views.saved_binaries import SavedBinaries
from bpfrec.analyze.views.symbolized import DebugFiles
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.remote.opening import open_reader
from bpfrec.formats.remote.remote_reader import RemoteTraceReader
from bpfrec.formats.remote.uri import Uri, trace_place
from bpfrec.formats.trace_reader import table_rows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Trace:
    """The trace at ``path``: a ``.bpfrec`` file, the folder that one was unzipped to, or the address (http, https, s3,
    gs, abfs) of a file that is elsewhere; a context manager.

    ``symbols``: folders with debug files, which can say more about the functions and source lines of frames.
    ``allow_files``: queries may read and write files, attach databases, load extensions and set options of DuckDB, as
    this user may. Otherwise they read this trace and nothing else.
    ``remarks``: what the user should be told about the answers so far.

    A table is unpacked, and a view made, when a query first names it, so a question costs only what it needs.

    Raises:
        TraceFileError: missing, not a trace, damaged, or of a newer format.
    """

    def __init__(
        self, path: str | Path | Uri, symbols: Iterable[str | Path] = (), *, allow_files: bool = False
    ) -> None:
        self.path = trace_place(path)
        self.symbols = tuple(map(Path, symbols))
        self.allow_files = allow_files
        self.remarks: list[str] = []
        self._reader = open_reader(self.path)
        try:
            check_clock(self.manifest, str(self.path))
        except BaseException:
            self._reader.close()
            raise
        self._scratch = Scratch()

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """What was recorded, in one line; no query runs for it."""
        return f"<Trace {' '.join(value for _, value in self._facts())}>"

    def _repr_html_(self) -> str:
        """The same as a table, for a notebook."""
        return html_preview(("trace", shown(str(self.path))), self._facts()[1:])

    def _facts(self) -> list[tuple[str, str]]:
        """What the manifest says in short, printable."""
        manifest = self.manifest
        start_s = (manifest.start_ns + wall_offset_ns(manifest)) // 1_000_000_000
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=start_s)
        calls = table_rows(manifest).get("syscalls", 0)
        return [
            ("trace", shown(str(self.path))),
            ("calls", f"with {counted(calls, 'call')}"),
            ("time", f"in {(manifest.stop_ns - manifest.start_ns) / 1e9:,.1f} s"),
            ("start", f"from {start:%Y-%m-%d %H:%M:%S} UTC"),
            ("host", f"on {shown(manifest.host.name)}"),
        ]

    def close(self) -> None:
        """Ends the SQL session and removes unpacked copies. Relations of this trace cannot be used afterwards."""
        if "_connection" in self.__dict__:
            self._connection.close()
            del self._connection
            self.__dict__.pop("engine", None)
        self._scratch.remove()
        self._reader.close()

    @property
    def reads(self) -> tuple[int, int]:
        """What was read of a trace that is elsewhere: bytes, and in how many requests; zeros for one that is here."""
        if isinstance(self._reader, RemoteTraceReader):
            return self._reader.object.bytes_read, self._reader.object.requests
        return 0, 0

    @property
    def manifest(self) -> Manifest:
        """What the trace says about its own making."""
        return self._reader.manifest

    @property
    def info(self) -> dict[str, Any]:
        """The recording as a whole: file, host, times, counters. The keys are the columns of ``analyze info``."""
        return self.query(bundled_sql("info")).dicts()[0]

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The DuckDB relation of ``query``. It runs when its rows are asked for: ``.fetchall()``, ``.df()`` and so on.

        ``.df()`` of older versions of DuckDB makes floats of integer columns with NULLs (``arg0`` to ``arg5`` among
        them), which are exact up to 2**53 only. :meth:`.Result.df` of :meth:`query` keeps all digits.

        Raises:
            BpfrecError: the query is wrong, or gives no rows at all (as SET does in some versions of DuckDB).
        """
        relation = self.engine.relation(query)
        if relation is None:
            raise BpfrecError("the query is empty")
        return relation

    def query(self, sql: str, notes: Sequence[str] = (), *, lazy: bool = False) -> Result:
        """The rows of one query, with ``notes`` for the reader; see :meth:`.Engine.query`.

        ``lazy``: the query runs when the rows are read, and they are not kept. They are to be read before the next
        query.

        Raises:
            BpfrecError: the query is wrong or fails; with ``lazy`` a failure is raised when the rows are read.
        """
        return self.engine.query(sql, notes, lazy=lazy)

    def report(self, name: str, /, *, lazy: bool = False, **options: Any) -> Result:
        """The answer of a report (see :mod:`bpfrec.analyze.reports`). Options are named as its ``compute`` names them.

        If events are missing from the trace, the first note says so. ``lazy``: as with :meth:`query`, if the report can
        have many rows.

        Raises:
            BpfrecError: there is no such report, or the trace cannot answer it.
        """
        result = compute(self, name, options)
        result.notes[:0] = self.loss_notes()
        if not lazy:
            result.source = result.rows
        return result

    def schema(self, view: str | None = None) -> Result:
        """The columns that SQL can use: view, column, type, comment. ``view``: only of that one.

        The rows come from the definitions of the views, which need not be made for it; ``sql`` asks DuckDB for the
        same.
        """
        rows = self.engine.listing(view)
        sql = render_text(bundled_sql("schema"), view=view)
        return Result(["view", "column", "type", "comment"], ["VARCHAR"] * 4, rows, sql)

    def verify(self) -> list[tuple[str, str]]:
        """The name of every table in the file, and what is wrong with it: empty if its checksum is right."""
        return list(self._reader.verify())

    def loss_notes(self) -> list[str]:
        """One line if events are missing from the trace, else none."""
        count, kinds, remedies = self.query(bundled_sql("data_loss")).rows[0]
        if not count:
            return []
        return [f"this trace lacks {count} events ({kinds}): {remedies or 'no remedy is known'}"]

    def statements(self, script: str) -> list[duckdb.Statement]:
        """The statements of ``script``, each ready for :meth:`run`.

        Raises:
            BpfrecError: it does not parse.
        """
        return self.engine.statements(script)

    def run(self, statement: duckdb.Statement) -> Result | None:
        """Runs one statement; None if it is of a kind that gives no rows. A SELECT runs when its rows are read."""
        return self.engine.run(statement)

    def execute(self, script: str) -> None:
        """Runs statements and drops their rows.

        Raises:
            BpfrecError: one of them fails.
        """
        self.engine.execute(script)

    def arrow(self, sql: str) -> pa.Table:
        """The rows of one query as an Arrow table, all in memory.

        Raises:
            BpfrecError: the query is wrong or fails.
        """
        return self.engine.arrow(sql)

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends ``rows`` to a table of the SQL session, column by column.

        Raises:
            BpfrecError: there is no such table, or its columns are others.
        """
        self.engine.append(table, rows)

    @cached_property
    def engine(self) -> Engine:
        """Runs the queries."""
        saved = SavedBinaries(self._reader, self._scratch.path, self.remarks)
        debug = DebugFiles(self.symbols, saved, self.remarks)
        library = TraceLibrary(self._reader, debug, self._connection, self._copy_of_calls)
        catalog = Catalog(library, self._connection, str(self.path))
        return Engine(self._connection, catalog, self.manifest, copies=self.allow_files, identity=self._reader.identity)

    def _copy_of_calls(self) -> Path | None:
        folder = self._scratch.path()
        return Path(folder) / "named_calls.parquet" if folder else None

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        # A member has its plain name where its file is opened, and that as a pattern where it is looked for.
        places = [] if self.allow_files else self._reader.places()
        copy = None if self.allow_files else self._copy_of_calls()
        places += [copy] if copy else []
        readable = [name for place in places for name in (place.resolve().as_posix(), parquet_pattern(place))]
        remote = self._reader if isinstance(self._reader, RemoteTraceReader) else None
        readable += remote.addresses() if remote else []
        connection = connect(self._scratch, readable, allow_files=self.allow_files, remote=remote)
        connection.execute(f"CREATE SCHEMA {SYS_SCHEMA};" + bundled_sql("casts"))
        return connection
