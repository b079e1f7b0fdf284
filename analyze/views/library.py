"""The views and functions that a trace offers, by name: what the engine's catalog makes them from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.analyze.decode.functions import functions, named_in
from bpfrec.analyze.engine.catalog import SYS_SCHEMA
from bpfrec.analyze.engine.errors import damage
from bpfrec.analyze.engine.parquet_source import parquet_pattern, parquet_source
from bpfrec.analyze.engine.protocols import SqlFunction
from bpfrec.analyze.engine.result import ARROW_TYPES
from bpfrec.analyze.engine.sqltemplate import bundled_sql, literal
from bpfrec.analyze.engine.view import View
from bpfrec.analyze.names.columns import NAME_CODE, NamedCalls
from bpfrec.analyze.views.demangle import DEMANGLED, demangled_function
from bpfrec.analyze.views.recording import recording_view, wall_offset_ns
from bpfrec.analyze.views.stack_text import STACK_TEXT, stack_text_function
from bpfrec.analyze.views.symbolized import DebugFiles, symbolized_view
from bpfrec.analyze.views.tables import (
    execs_view,
    functions_view,
    is_syscall,
    recorded_syscalls,
    syscall_view,
    table_view,
)
from bpfrec.formats.columns import Table
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.remote.remote_reader import RemoteTable, RemoteTraceReader
from bpfrec.formats.schema import DATA, FRAMES, SYSCALLS, TABLES
from bpfrec.formats.trace_reader import TraceReader, table_rows

if TYPE_CHECKING:
    import duckdb

MOST_UNKNOWN = 100
"""Calls without a name that have a view of their own in a listing. A fuzzer makes thousands, a hostile trace more."""

ALWAYS_ROWS = 10_000_000
MOST_ROWS_OF_A_BYTE = 8
"""Rows that a table may have for each byte of the whole trace, beyond ALWAYS_ROWS.

A call takes several bytes. A small file can claim billions of rows, and even have them: pages of equal rows take no
room, and row groups can share them.
"""

RESERVED = frozenset(("file_row_number", NAME_CODE))
"""Columns that the table of calls gets when it is read."""

_TABLES = {table.name: table for table in TABLES}

_KINDS = dict.fromkeys((*ARROW_TYPES, "DECIMAL", "HUGEINT", "UHUGEINT"), "number") | {"VARCHAR": "text", "ENUM": "text"}
_LONGEST_NAME = 20


class TraceLibrary:
    """The views of the trace of ``reader``, whose frames also have what the debug files in ``debug`` say.

    ``connection``: the SQL session; only the columns of Parquet files are asked of it. ``copy``: where the session may
    read a copy of the calls; None: nowhere.
    """

    main: Sequence[str] = (*_TABLES, "recording", "functions", "execs")

    def __init__(
        self,
        reader: TraceReader | RemoteTraceReader,
        debug: DebugFiles,
        connection: duckdb.DuckDBPyConnection,
        copy: Callable[[], Path | None],
    ) -> None:
        self._reader, self._debug, self._connection, self._copy = reader, debug, connection, copy
        self._manifest = reader.manifest

    @cached_property
    def calls(self) -> Sequence[str]:
        """The system calls in the trace, and of those that no kernel has the first :data:`MOST_UNKNOWN`."""
        return without_most_unknown(recorded_syscalls(self._manifest.syscalls))

    def is_call(self, name: str) -> bool:
        """Whether a trace can have calls of this name."""
        return is_syscall(name)

    def view(self, key: str) -> View:
        """The view with all its columns.

        Raises:
            TraceFileError: its table is damaged.
        """
        if key.startswith(f"{SYS_SCHEMA}."):
            has_data = table_rows(self._manifest).get(DATA.name, 0) > 0
            return syscall_view(key.removeprefix(f"{SYS_SCHEMA}."), self._names, has_data=has_data)
        match key:
            case "recording":
                return recording_view(self._manifest, str(self._reader.path), self._reader.size_bytes())
            case "functions":
                return functions_view()
            case "execs":
                return execs_view(bundled_sql("execs"))
        table = _TABLES[key]
        if table is SYSCALLS:
            names = self._names
            return table_view(table, names.parquet, names.columns, wall_offset_ns(self._manifest), names)
        view = table_view(table, *self._stored(table), wall_offset_ns(self._manifest))
        has_debug_files = bool(self._debug.folders) or self._debug.saved.exist
        return symbolized_view(view, self._debug) if table is FRAMES and has_debug_files else view

    def functions(self, text: str) -> Iterable[SqlFunction]:
        """The functions that ``text`` names; all decoders if it asks for DuckDB's list of functions."""
        lower = text.lower()
        for function in functions().values() if "duckdb_functions" in lower else named_in(text):
            yield SqlFunction(function.name, partial(_execute, function.create()))
        if DEMANGLED in lower:
            yield demangled_function()
        if STACK_TEXT in lower:
            yield stack_text_function()

    @cached_property
    def _names(self) -> NamedCalls:
        parquet, present = self._stored(SYSCALLS)
        return NamedCalls(parquet, tuple(c.name for c in SYSCALLS.columns if c.name in present), self._copy)

    def _stored(self, table: Table) -> tuple[Path | RemoteTable | None, set[str]]:
        """The Parquet file of ``table``, None if there is none, and its columns, in lower case."""
        parquet = self._reader.queried(table)
        return parquet, set() if parquet is None else self._columns(table, parquet)

    def _columns(self, table: Table, parquet: Path | RemoteTable) -> set[str]:
        """The columns of the Parquet file of ``table``, in lower case."""
        import duckdb  # noqa: PLC0415

        name = table.name
        try:
            described = self._connection.execute(f"DESCRIBE SELECT * FROM {parquet_source(parquet)}")  # noqa: S608 - a literal
            columns = {row[0].lower(): row[1] for row in described.fetchall()}
            pattern = literal(parquet_pattern(parquet))
            counted = self._connection.execute(f"SELECT num_rows FROM parquet_file_metadata({pattern})")  # noqa: S608 - a literal
            ((rows,),) = counted.fetchall()
        except duckdb.Error as error:
            raise damage(error, str(self._reader.path), name) from None
        most = ALWAYS_ROWS + MOST_ROWS_OF_A_BYTE * self._reader.size_bytes()
        if not 0 <= rows <= most:
            raise TraceFileError(
                f"{self._reader.path}: {name} is damaged: it has {rows:,} rows, more than fit into this file",
                "Ask for the file again.",
            )
        for column in table.columns:
            found = columns.get(column.name, column.sql_type)
            if _kind(found) != _kind(column.sql_type):
                raise TraceFileError(
                    f"{self._reader.path}: {name} is damaged: its column {column.name} is of type {_word(found)},"
                    f" not {column.sql_type}",
                    "Ask for the file again.",
                )
        if table is SYSCALLS and not RESERVED.isdisjoint(columns):
            raise TraceFileError(
                f"{self._reader.path}: {name} is damaged: it has a column {min(RESERVED & columns.keys())}",
                "Ask for the file again.",
            )
        return set(columns)


def without_most_unknown(names: Sequence[str]) -> list[str]:
    """The names of calls in ``names``, and of those that no kernel has the first :data:`MOST_UNKNOWN`."""
    unknown = [name for name in names if name not in syscalls()]
    beyond = set(unknown[MOST_UNKNOWN:])
    return [name for name in names if name not in beyond]


def _kind(sql_type: str) -> str:
    """What values of a type of DuckDB are: one that another type of the same kind can be made of."""
    return "list" if sql_type.endswith("]") else _KINDS.get(_word(sql_type), _word(sql_type))


def _word(sql_type: str) -> str:
    """The name of a type without what it consists of, which may be anything."""
    return sql_type.partition("(")[0].partition(" ")[0][:_LONGEST_NAME]


def _execute(statement: str, connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(statement)
