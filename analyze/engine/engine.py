"""Runs queries over a trace: makes what they name, computes what they require, and gives their rows."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.catalog import Catalog
from bpfrec.analyze.engine.errors import files_refused, sql_errors
from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.engine.session import interruptible
from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.analyze.engine.view import ComputedTable
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Manifest

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_log = logging.getLogger(__name__)

_COPY = re.compile(r"\bcopy\b", re.IGNORECASE)
_ROWS_AT_ONCE = 8192
_ROWS_IN_BATCH = 32_768
_MANY_ROWS = 50_000
"""From so many rows on it pays to read them in columns."""


class Engine:
    """Queries over the views of ``catalog`` in ``connection``.

    ``computes``: whether a table is computed when a query requires it. The engine that such tables are filled by
    computes none: it sees them as they are. ``copies``: whether COPY may be used. ``identity``: tells the trace from
    all others; None: its tables can be changed while its manifest stays the same.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        catalog: Catalog,
        manifest: Manifest,
        *,
        computes: bool = True,
        copies: bool = False,
        identity: str | None = None,
    ) -> None:
        self._connection, self._catalog, self._manifest = connection, catalog, manifest
        self._copies, self._identity = copies, identity
        self._filler = Engine(connection, catalog, manifest, computes=False, identity=identity) if computes else None
        self._filled: set[str] = set()

    @property
    def manifest(self) -> Manifest:
        """What the trace says about its own making."""
        return self._manifest

    @property
    def identity(self) -> str | None:
        """Tells the trace from all others; None: its tables can be changed while its manifest stays the same."""
        return self._identity

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation | None:
        """The relation of one statement; None if it gives no rows.

        Raises:
            BpfrecError: the SQL is wrong.
        """
        import duckdb  # noqa: PLC0415

        self._prepare(sql)
        with sql_errors():
            try:
                return self._connection.sql(sql)
            except duckdb.BinderException:
                # The message lists columns with a name near to one that is not found: deferred ones are among them.
                if not _is_one_select(self.statements(sql)) or not self._catalog.complete(sql):
                    raise
                self._connection.sql(sql)
        self._compute(self._catalog.computed(sql))
        with sql_errors():
            return self._connection.sql(sql)

    def query(self, sql: str, notes: Sequence[str] = (), *, lazy: bool = False) -> Result:
        """The rows of one query, with ``notes`` for the reader.

        ``lazy``: the query runs when the rows are read, and they are not kept. They are to be read before the next
        query.

        Raises:
            BpfrecError: the query is wrong or fails; with ``lazy`` a failure is raised when the rows are read.
        """
        relation = self.relation(sql)
        if relation is None:
            raise BpfrecError("the query is empty")
        result = self._result(relation, sql, lazy=_is_one_select(self.statements(sql)), notes=notes)
        if not lazy:
            result.source = result.rows
        return result

    def arrow(self, sql: str) -> pa.Table:
        """The rows of one query as an Arrow table, all in memory.

        Raises:
            BpfrecError: the query is wrong or fails.
        """
        relation = self.relation(sql)
        if relation is None:
            raise BpfrecError("the query is empty")
        with sql_errors():
            return relation.to_arrow_table()

    def execute(self, script: str) -> None:
        """Runs statements and drops their rows.

        Raises:
            BpfrecError: one of them fails.
        """
        self._prepare(script)
        with sql_errors():
            self._connection.execute(script)

    def append(self, table: str, rows: pa.Table) -> None:
        """Appends ``rows`` to a table of the SQL session, column by column.

        Raises:
            BpfrecError: there is no such table, or its columns are others.
        """
        with sql_errors():
            self._connection.register("appended_rows", rows)
            try:
                self._connection.execute(f"INSERT INTO {table} SELECT * FROM appended_rows")  # noqa: S608 - ours
            finally:
                self._connection.unregister("appended_rows")

    def batches(self, sql: str, rows: int) -> Iterator[pa.Table]:
        """The rows of one query, about ``rows`` at a time. They are to be read before the next query.

        Raises:
            BpfrecError: the query is wrong or fails.
        """
        import pyarrow as pa  # noqa: PLC0415

        relation = self.relation(sql)
        if relation is None:
            raise BpfrecError("the query is empty")
        reader = SelectedRows(self._connection, relation.sql_query()).reader()
        waiting: list[pa.RecordBatch] = []
        for batch in reader:
            waiting.append(batch)
            if sum(one.num_rows for one in waiting) >= rows:
                yield pa.Table.from_batches(waiting)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting)

    def define(
        self, name: str, function: Callable[[pa.ChunkedArray], pa.Array], parameters: Sequence[str], result: str
    ) -> None:
        """Makes a SQL function of one for columns of Arrow, in place of the macro of that name.

        ``parameters``, ``result``: SQL types.
        """
        with sql_errors():
            self._connection.execute(f"DROP MACRO IF EXISTS {identifier(name)}")
            # The constant for this type has its place in another module in every second version of DuckDB.
            self._connection.create_function(name, function, list(parameters), result, type="arrow")  # type: ignore[call-overload]

    def listing(self, only: str | None = None) -> list[Row]:
        """View, column, SQL type and comment of every column that SQL can use; see :meth:`.Catalog.listing`."""
        return list(self._catalog.listing(only))

    def statements(self, script: str) -> list[duckdb.Statement]:
        """The statements of ``script``, each ready for :meth:`run`.

        Raises:
            BpfrecError: it does not parse.
        """
        with sql_errors():
            return list(self._connection.extract_statements(script))

    def run(self, statement: duckdb.Statement) -> Result | None:
        """Runs one statement; None if it is of a kind that gives no rows. A SELECT runs when its rows are read."""
        relation = self.relation(statement.query)
        kinds = {str(kind).rpartition(".")[2] for kind in statement.expected_result_type}
        # COPY and CREATE may give rows. Mostly it is the number of rows they wrote.
        counted = "CHANGED_ROWS" in kinds and relation is not None and list(relation.columns) == ["Count"]
        if relation is None or counted or "QUERY_RESULT" not in kinds:
            return None
        return self._result(relation, statement.query, lazy=_is_select(statement))

    def _prepare(self, sql: str) -> None:
        # The session's other bounds are DuckDB's own, but they would let COPY write into what it may read.
        if not self._copies and _COPY.search(sql) and any(map(self._is_copy, self.statements(sql))):
            raise files_refused("COPY")
        # Hundreds of thousands of views can be asked for; it may be interrupted.
        with sql_errors():
            tables = self._catalog.prepare(sql)
        self._compute(tables)

    def _is_copy(self, statement: duckdb.Statement) -> bool:
        """Whether a statement is COPY, or explains or prepares one."""
        import duckdb  # noqa: PLC0415

        kind = _kind(statement)
        if kind not in ("EXPLAIN", "PREPARE"):
            return kind == "COPY"
        for start, text in _words(statement.query):
            if _COPY.fullmatch(text):
                with suppress(duckdb.Error):
                    inner = self._connection.extract_statements(statement.query.encode()[start:].decode())
                    if any(_kind(one) == "COPY" for one in inner):
                        return True
        return False

    def _compute(self, tables: Sequence[ComputedTable]) -> None:
        if self._filler is None:
            return
        for computed in tables:
            name = computed.table.name
            if name not in self._filled:
                begin = time.perf_counter()
                computed.fill(self._filler)
                _log.info("computed %s in %.3f s", name, time.perf_counter() - begin)
                self._filled.add(name)

    def _result(self, relation: duckdb.DuckDBPyRelation, sql: str, *, lazy: bool, notes: Sequence[str] = ()) -> Result:
        types = [str(t).strip('"') for t in relation.types]
        columns = list(relation.columns)
        readable = [_readable(i, kind) for i, kind in enumerate(types, 1)]
        with sql_errors():
            if any(readable):
                shown = (
                    f"{expression or f'#{i}'} AS {identifier(column)}"
                    for i, (expression, column) in enumerate(zip(readable, columns, strict=True), 1)
                )
                relation = relation.project(", ".join(shown))
            rows = SelectedRows(self._connection, relation.sql_query()) if lazy else relation.fetchall()
        return Result(columns, types, rows, sql, list(notes))


@dataclass(frozen=True)
class SelectedRows:
    """The rows of a SELECT, which runs every time that they are iterated over."""

    connection: duckdb.DuckDBPyConnection
    select: str

    def __iter__(self) -> Iterator[Row]:
        count, begin = 0, time.perf_counter()
        with sql_errors(), interruptible(self.connection):
            self.connection.execute(self.select)
        read = False
        try:
            while rows := self._next():
                count += len(rows)
                yield from rows
            read = True
        finally:
            if not read:
                self._abandon()
            self._log(count, begin)

    def batches(self) -> Iterator[pa.RecordBatch] | None:
        """The rows as Arrow's columns; None if DuckDB expects few of them.

        Many rows take a tenth of the time in columns, but a few less than it takes to load Arrow. Some types
        (DECIMAL, HUGEINT, MAP) have other values there. The batches are to be read, or closed, before the next query.
        """
        return self.reader() if self._expected() >= _MANY_ROWS else None

    def reader(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow's columns. The batches are to be read, or closed, before the next query."""
        count, begin = 0, time.perf_counter()
        with sql_errors(), interruptible(self.connection):
            reader = self.connection.sql(self.select).to_arrow_reader(_ROWS_IN_BATCH)
        try:
            while batch := self._next_batch(reader):
                count += batch.num_rows
                yield batch
        finally:
            reader.close()
            self._log(count, begin)

    def _next_batch(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        with sql_errors(), interruptible(self.connection):
            try:
                return reader.read_next_batch()
            except StopIteration:
                return None

    def _expected(self) -> int:
        """The number of rows that DuckDB's optimizer expects."""
        with sql_errors():
            ((_, text), *_) = self.connection.execute(f"EXPLAIN (FORMAT json) {self.select}").fetchall()
        operators = json.loads(text)
        while operators:
            facts = operators[0].get("extra_info") or {}
            estimate = facts.get("Limit") or facts.get("Estimated Cardinality")
            if isinstance(estimate, str) and estimate.isdigit():
                return int(estimate)
            operators = operators[0].get("children")
        return 0

    def _log(self, count: int, begin: float) -> None:
        _log.info("%d rows in %.3f s", count, time.perf_counter() - begin)
        _log.debug("%s", self.select)

    def _next(self) -> list[Row]:
        with sql_errors(), interruptible(self.connection):
            rows: list[Row] = self.connection.fetchmany(_ROWS_AT_ONCE)
        return rows

    def _abandon(self) -> None:
        # Only another query ends one that was not read to its end; until then the connection does nothing else.
        import duckdb  # noqa: PLC0415

        with suppress(duckdb.Error):
            self.connection.execute("SELECT 1").fetchall()


def _is_one_select(statements: list[duckdb.Statement]) -> bool:
    return len(statements) == 1 and _is_select(statements[0])


def _is_select(statement: duckdb.Statement) -> bool:
    return _kind(statement) == "SELECT"


def _kind(statement: duckdb.Statement) -> str:
    return str(statement.type).rpartition(".")[2]


def _words(query: str) -> Iterator[tuple[int, str]]:
    """The tokens of ``query``, each with the byte at which it starts."""
    import duckdb  # noqa: PLC0415

    raw = query.encode()
    starts = [start for start, _ in duckdb.tokenize(query)]
    for start, end in zip(starts, [*starts[1:], len(raw)], strict=True):
        yield start, raw[start:end].decode(errors="replace").strip()


def _readable(position: int, kind: str) -> str | None:
    """SQL that makes text of a column that Python cannot hold; None for others."""
    # Python's datetime ends at microseconds, and DuckDB needs pytz to make one with a time zone.
    if kind == "TIMESTAMP_NS":
        return f"strftime(#{position}, {literal('%Y-%m-%dT%H:%M:%S.%n')})"
    return f"CAST(#{position} AS VARCHAR)" if kind == "TIMESTAMP WITH TIME ZONE" else None
