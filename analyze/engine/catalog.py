"""The views and functions of an open trace, made when a query first needs them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.analyze.decode.functions import functions, named_in
from bpfrec.analyze.engine.needs import Needs
from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.analyze.engine.view import Computed, View, table_statements
from bpfrec.analyze.views.demangle import DEMANGLED, add_demangled
from bpfrec.analyze.views.recording import recording_view, wall_offset_ns
from bpfrec.analyze.views.stack_text import STACK_TEXT, create_stack_text, stack_text_table
from bpfrec.analyze.views.symbolized import symbolized_view
from bpfrec.analyze.views.tables import (
    SYS_SCHEMA,
    execs_view,
    functions_view,
    is_syscall,
    parquet_source,
    recorded_syscalls,
    syscall_view,
    table_view,
)
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.schema import BINARY_PARTS, DATA, FRAMES, TABLES
from bpfrec.formats.trace_reader import TraceReader, table_rows

if TYPE_CHECKING:
    import duckdb

    from bpfrec.analyze.trace import Trace

_TABLES = {table.name: table for table in TABLES}
_MAIN = (*_TABLES, "recording", "functions", "execs")
_CATALOG = re.compile(r"\b(show|information_schema|duckdb_\w+|pg_catalog|sqlite_master)\b", re.IGNORECASE)
_SYS_NAME = re.compile(r'\bsys"?\s*\.\s*(?:"([^"]+)"|(\w+))', re.IGNORECASE)
_MOVING = frozenset(("use", "schema", "search_path"))
"""Words of statements after which names can be of another schema."""
_SYS = re.compile(r"\bsys\b", re.IGNORECASE)


class Catalog:
    """The views and functions of ``trace`` in its SQL session.

    A view is made without the columns that cost something (:class:`bpfrec.analyze.engine.view.Late`) and made again
    with them when a query needs one; what it has it keeps, so that older relations stay what they are.
    """

    def __init__(self, trace: Trace, reader: TraceReader, connection: duckdb.DuckDBPyConnection) -> None:
        self._trace = trace
        self._reader = reader
        self._connection = connection
        self._whole: dict[str, View] = {}
        self._made: dict[str, set[str]] = {}
        self._commented: set[str] = set()
        self._functions: set[str] = set()
        self._declared: set[str] = set()
        self._filled: set[str] = set()
        self._is_filling = False
        self._is_moved = False

    def prepare(self, query: str) -> None:
        """Makes the functions and views that ``query`` needs; all views, with comments, if it asks for the catalog."""
        self._make_functions(query)
        if _CATALOG.search(query):
            self._show_all()
        needs = Needs(query)
        if needs.describes:
            self.complete(query)
            return
        for name in self._named(needs):
            view = self._view(name)
            everything = view.late and needs.everything_of(view.name)
            late = set(view.late) if everything else needs.words.intersection(view.late)
            self._make(name, late)
            self._fill(view.having(late).computed)
        if STACK_TEXT in needs.words:
            frames = self._view(FRAMES.name)
            self._make(frames.name, frames.late)
            self._fill((*frames.computed, stack_text_table()))

    def complete(self, query: str) -> bool:
        """Makes the views that ``query`` names with all their columns, computed ones empty; whether any is new."""
        named = self._named(Needs(query))
        missing = [name for name in named if self._view(name).late.keys() - self._made.get(name, set())]
        for name in missing:
            self._make(name, self._view(name).late)
        return bool(missing)

    def fill(self, query: str) -> None:
        """Computes what the views that ``query`` names have to be computed for."""
        for name in self._named(Needs(query)):
            self._fill(self._view(name).computed)

    def _named(self, needs: Needs) -> list[str]:
        """The keys of the views that a query names."""
        named = dict.fromkeys(name for name in _MAIN if name in needs.words)
        if SYS_SCHEMA in needs.words:
            names = [(quoted or plain).lower() for quoted, plain in _SYS_NAME.findall(needs.query)]
            elsewhere = len(_SYS.findall(needs.query)) > len(names)
            chosen = self._recorded if elsewhere else filter(is_syscall, names)
            named |= dict.fromkeys(f"{SYS_SCHEMA}.{name}" for name in chosen)
        self._is_moved |= bool(needs.words & _MOVING)
        if self._is_moved:
            # Behind USE sys, views are found without their schema.
            named |= dict.fromkeys(name for name in self._made if name.rpartition(".")[2] in needs.words)
        return list(named)

    @property
    def _recorded(self) -> list[str]:
        return recorded_syscalls(self._trace.manifest.syscalls)

    def _show_all(self) -> None:
        """Makes all views with all columns and comments; what has to be computed is not, for nobody reads it."""
        for name in (*_MAIN, *(f"{SYS_SCHEMA}.{name}" for name in self._recorded)):
            self._make(name, self._view(name).late)
        uncommented = [self._whole[name] for name in self._made if name not in self._commented]
        if uncommented:
            self._connection.execute("".join(view.comments() for view in uncommented))
            self._commented.update(self._made)

    def _view(self, name: str) -> View:
        """The view with all its columns."""
        if name not in self._whole:
            self._whole[name] = self._described(name)
        return self._whole[name]

    def _described(self, name: str) -> View:
        trace = self._trace
        if name.startswith(f"{SYS_SCHEMA}."):
            has_data = table_rows(trace.manifest).get(DATA.name, 0) > 0
            return syscall_view(name.removeprefix(f"{SYS_SCHEMA}."), has_data=has_data)
        if name == "recording":
            return recording_view(trace.manifest, trace.path)
        if name == "functions":
            return functions_view()
        if name == "execs":
            return execs_view(bundled_sql("execs"))
        table = _TABLES[name]
        parquet = self._reader.parquet(table)
        present = set() if parquet is None else self._parquet_columns(name, parquet)
        view = table_view(table, parquet, present, wall_offset_ns(trace.manifest))
        return symbolized_view(view) if table is FRAMES and self._has_debug_files() else view

    def _has_debug_files(self) -> bool:
        return bool(self._trace.symbols) or table_rows(self._trace.manifest).get(BINARY_PARTS.name, 0) > 0

    def _make(self, name: str, late: Collection[str]) -> None:
        """Makes a view, or makes it again, so that it has at least these of its late columns."""
        made = self._made.get(name)
        if made is not None and made.issuperset(late):
            return
        wanted = made.union(late) if made else set(late)
        view = self._view(name).having(wanted)
        if name.startswith(f"{SYS_SCHEMA}.") or name == "execs":
            self._make("syscalls", ())
        if name == "execs":
            self._make("exec_args", ())
        for needed in view.needed:
            for table in needed.tables:
                self._make(table, ())
            if needed.computed:
                self._declare(needed.computed)
        statement = view.create()
        if view.schema == SYS_SCHEMA:
            self._make_functions(statement)
        with self._damage(view.name):
            self._connection.execute(statement)
        self._made[name] = wanted
        self._commented.discard(name)

    def _declare(self, computed: Computed) -> None:
        if computed.table.name not in self._declared:
            self._connection.execute(table_statements(computed))
            self._declared.add(computed.table.name)

    def _fill(self, tables: Iterable[Computed]) -> None:
        if self._is_filling:
            # What fills a table needs no other.
            return
        for computed in tables:
            if computed.table.name not in self._filled:
                self._is_filling = True
                try:
                    computed.fill(self._trace)
                finally:
                    self._is_filling = False
                self._filled.add(computed.table.name)

    def _make_functions(self, text: str) -> None:
        """Makes the SQL functions that ``text`` names; all of them, if it asks for the catalog of functions."""
        for function in functions().values() if "duckdb_functions" in text.lower() else named_in(text):
            if function.name not in self._functions:
                self._connection.execute(function.create())
                self._functions.add(function.name)
        if DEMANGLED in text.lower() and DEMANGLED not in self._functions:
            add_demangled(self._connection)
            self._functions.add(DEMANGLED)
        if STACK_TEXT in text.lower() and STACK_TEXT not in self._functions:
            self._functions.add(STACK_TEXT)
            self._declare(stack_text_table())
            self._connection.execute(create_stack_text())

    def _parquet_columns(self, name: str, parquet: Path) -> set[str]:
        query = f"DESCRIBE SELECT * FROM {parquet_source(parquet)}"  # noqa: S608 - a literal
        with self._damage(name):
            return {row[0].lower() for row in self._connection.sql(query).fetchall()}

    @contextmanager
    def _damage(self, name: str) -> Iterator[None]:
        import duckdb  # noqa: PLC0415

        try:
            yield
        except duckdb.Error as error:
            cause = str(error).splitlines()[0]
            raise TraceFileError(f"{self._trace.path}: {name} is damaged: {cause}", "Ask for the file again.") from None
