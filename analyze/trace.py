"""A trace, open for questions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.engine.catalog import Catalog
from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.engine.session import Scratch, connect, interruptible
from bpfrec.analyze.engine.sqltemplate import bundled_sql, identifier, literal
from bpfrec.analyze.views.recording import check_clock, wall_offset_ns
from bpfrec.analyze.views.tables import SYS_SCHEMA
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.trace_reader import TraceReader

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from bpfrec.analyze.views.saved_binaries import SavedBinaries
    from bpfrec.formats.symbols.debug_files import DebugFolders

_ROWS_AT_ONCE = 8192


class Trace:
    """The trace at ``path``, a ``.bpfrec`` file or the folder one was unzipped to; a context manager.

    ``symbols``: folders with debug files, which tell more of the functions and source lines of frames. ``remarks``:
    what is to be said of answers that were given.

    A table is unpacked, and a view made, when a query first names it, so that a question costs what it needs.

    Raises:
        TraceFileError: missing, not a trace, damaged, or of a newer format.
    """

    def __init__(self, path: str | Path, symbols: Iterable[str | Path] = ()) -> None:
        self.path = Path(path)
        self.symbols = tuple(map(Path, symbols))
        self.remarks: list[str] = []
        self._reader = TraceReader(self.path)
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

    def close(self) -> None:
        """Ends the SQL session and removes unpacked copies. Relations of this trace are of no use afterwards."""
        if "_connection" in self.__dict__:
            self._connection.close()
            del self._connection
            self.__dict__.pop("_catalog", None)
        self._scratch.remove()
        self._reader.close()

    @property
    def manifest(self) -> Manifest:
        """What the trace says about its own making."""
        return self._reader.manifest

    @property
    def info(self) -> dict[str, Any]:
        """The recording as a whole: file, host, times, counters; the keys are the columns of ``analyze info``."""
        return self.query(bundled_sql("info")).dicts()[0]

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The relation that ``query`` gives; it runs when its rows are asked for, by ``.fetchall()``, ``.df()`` ...

        Raises:
            BpfrecError: the query is wrong, or gives no rows at all (as SET does in some versions of DuckDB).
        """
        relation = self._relation(query)
        if relation is None:
            raise BpfrecError("the query is empty")
        return relation

    def query(self, query: str, notes: list[str] | None = None) -> Result:
        """The rows that ``query`` gives, all in memory.

        Raises:
            BpfrecError: the query is wrong, or failed.
        """
        return _held(self.answer(query, notes))

    def answer(self, query: str, notes: list[str] | None = None) -> Result:
        """The same, but the query runs when the rows are read, and they are not kept: to be read before the next query.

        Raises:
            BpfrecError: the query is wrong; reading the rows raises it where it fails.
        """
        relation = self.sql(query)
        return self._result(relation, query, _is_one_select(self.statements(query)), notes)

    def texts(self, expression: str, result: Result) -> Iterator[str]:
        """What ``expression``, SQL over the columns of ``result`` that gives text, is in each of its rows."""
        query = f"SELECT {expression} FROM ({result.sql})"  # noqa: S608 - both are SQL
        return (text for (text,) in self.answer(query).source)

    def _result(
        self, relation: duckdb.DuckDBPyRelation, sql: str, later: bool, notes: list[str] | None = None
    ) -> Result:
        types = [str(t).strip('"') for t in relation.types]
        columns = list(relation.columns)
        readable = [_readable(i, kind) for i, kind in enumerate(types, 1)]
        with _errors():
            if any(readable):
                shown = (
                    f"{e or f'#{i}'} AS {identifier(c)}"
                    for i, (e, c) in enumerate(zip(readable, columns, strict=True), 1)
                )
                relation = relation.project(", ".join(shown))
            rows = _Rows(self._connection, relation.sql_query()) if later else relation.fetchall()
        return Result(columns, types, rows, sql, list(notes or []))

    def statements(self, script: str) -> list[duckdb.Statement]:
        """The statements of ``script``, each ready for :meth:`run`.

        Raises:
            BpfrecError: it does not parse.
        """
        with _errors():
            return list(self._connection.extract_statements(script))

    def run(self, statement: duckdb.Statement) -> Result | None:
        """Runs one statement; its rows, or None where it is of a kind that gives none.

        A SELECT runs when its rows are read, as with :meth:`answer`.
        """
        relation = self._relation(statement.query)
        kinds = {str(kind).rpartition(".")[2] for kind in statement.expected_result_type}
        # A COPY or CREATE may give rows, and says so; what it gives mostly is the number of rows it dealt with.
        counted = "CHANGED_ROWS" in kinds and relation is not None and list(relation.columns) == ["Count"]
        return (
            None
            if relation is None or counted or "QUERY_RESULT" not in kinds
            else self._result(relation, statement.query, _is_select(statement))
        )

    def report(self, name: str, /, **options: Any) -> Result:
        """The answer of a report (see :mod:`bpfrec.analyze.reports`), the options named as its ``compute`` names them.

        Where events are missing from the trace, the first note says so.

        Raises:
            BpfrecError: there is no such report, or the trace cannot answer it.
        """
        return _held(self.ask(name, **options))

    def ask(self, name: str, /, **options: Any) -> Result:
        """The same, but where there can be many rows they are not kept, as with :meth:`answer`."""
        from bpfrec.analyze.reports import module_of  # noqa: PLC0415

        result: Result = import_module(module_of(name)).compute(self, **options)
        result.notes[:0] = self.loss_notes()
        return result

    def loss_notes(self) -> list[str]:
        """One line if events are missing from the trace, else none."""
        count, kinds, remedies = self.query(bundled_sql("data_loss")).rows[0]
        if not count:
            return []
        return [f"this trace lacks {count} events ({kinds}): {remedies or 'no remedy is known'}"]

    def local_time(self, ts_ns: int) -> str:
        """A time on CLOCK_MONOTONIC as HH:MM:SS in the local time of the recording host."""
        seconds = (ts_ns + wall_offset_ns(self.manifest)) // 1_000_000_000 + self.manifest.clock.utc_offset_s
        return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def execute(self, script: str) -> None:
        """Runs statements whose rows nobody wants.

        Raises:
            BpfrecError: one of them failed.
        """
        self._catalog.prepare(script)
        with _errors():
            self._connection.execute(script)

    def arrow(self, query: str) -> pa.Table:
        """The rows that ``query`` gives as an Arrow table, all in memory.

        Raises:
            BpfrecError: the query is wrong, or failed.
        """
        relation = self.sql(query)
        with _errors():
            return relation.to_arrow_table()

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends ``rows`` to a table of the SQL session, column by column.

        Raises:
            BpfrecError: there is no such table, or another failure.
        """
        with _errors():
            self._connection.register("appended_rows", rows)
            try:
                self._connection.execute(f"INSERT INTO {table} SELECT * FROM appended_rows")  # noqa: S608 - ours
            finally:
                self._connection.unregister("appended_rows")

    def _relation(self, query: str) -> duckdb.DuckDBPyRelation | None:
        import duckdb  # noqa: PLC0415

        self._catalog.prepare(query)
        with _errors():
            try:
                return self._connection.sql(query)
            except duckdb.BinderException:
                # The message names columns near one that is not found, and those that cost something are among them.
                if not _is_one_select(self.statements(query)) or not self._catalog.complete(query):
                    raise
                relation = self._connection.sql(query)
        self._catalog.fill(query)
        return relation

    @cached_property
    def debug_folders(self) -> DebugFolders:
        """The folders in :attr:`symbols`."""
        from bpfrec.formats.symbols.debug_files import DebugFolders  # noqa: PLC0415 - it needs numpy

        return DebugFolders(self.symbols)

    @cached_property
    def saved_binaries(self) -> SavedBinaries:
        """The files that were saved with it."""
        from bpfrec.analyze.views.saved_binaries import SavedBinaries  # noqa: PLC0415 - few traces have any

        return SavedBinaries(self, self._reader, self._scratch.path())

    @cached_property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        connection = connect(self._scratch)
        connection.execute(f"CREATE SCHEMA {SYS_SCHEMA};" + bundled_sql("casts"))
        return connection

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self, self._reader, self._connection)


@dataclass(frozen=True)
class _Rows:
    """The rows of a SELECT, which runs every time they are iterated over."""

    connection: duckdb.DuckDBPyConnection
    select: str

    def __iter__(self) -> Iterator[Row]:
        with _errors(), interruptible(self.connection):
            self.connection.execute(self.select)
        read = False
        try:
            while rows := self._next():
                yield from rows
            read = True
        finally:
            if not read:
                self._abandon()

    def _next(self) -> list[Row]:
        with _errors(), interruptible(self.connection):
            return self.connection.fetchmany(_ROWS_AT_ONCE)

    def _abandon(self) -> None:
        # Only another query ends one that is not read to its end, and until then the connection does nothing else.
        import duckdb  # noqa: PLC0415

        with suppress(duckdb.Error):
            self.connection.execute("SELECT 1").fetchall()


def _held(result: Result) -> Result:
    result.source = result.rows
    return result


def _is_one_select(statements: list[duckdb.Statement]) -> bool:
    return len(statements) == 1 and _is_select(statements[0])


def _is_select(statement: duckdb.Statement) -> bool:
    return str(statement.type).rpartition(".")[2] == "SELECT"


def _readable(position: int, kind: str) -> str | None:
    # Python's datetime ends at microseconds, and DuckDB needs pytz to make one with a time zone.
    if kind == "TIMESTAMP_NS":
        return f"strftime(#{position}, {literal('%Y-%m-%dT%H:%M:%S.%n')})"
    return f"CAST(#{position} AS VARCHAR)" if kind == "TIMESTAMP WITH TIME ZONE" else None


@contextmanager
def _errors() -> Iterator[None]:
    import duckdb  # noqa: PLC0415

    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:
        # Ctrl-C comes as a RuntimeError from a relation and as an InterruptException from the rest.
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None
    except duckdb.Error as error:
        message, _, rest = str(error).partition("\n")
        raise BpfrecError(message, "\n".join(line for line in rest.splitlines()[:6] if line.strip())) from None
