"""The views and functions of a SQL session, made when a query first names them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.errors import damage
from bpfrec.analyze.engine.protocols import Library
from bpfrec.analyze.engine.requirements import Requirements
from bpfrec.analyze.engine.view import ComputedTable, View, table_statements

if TYPE_CHECKING:
    import duckdb

_log = logging.getLogger(__name__)

SYS_SCHEMA = "sys"
"""The schema of the views of single system calls."""

_CATALOG = re.compile(r"\b(show|information_schema|duckdb_\w+|pg_catalog|sqlite_master)\b", re.IGNORECASE)
_SYS_NAME = re.compile(r'\bsys"?\s*\.\s*(?:"([^"]+)"|(\w+))', re.IGNORECASE)
_SYS = re.compile(r"\bsys\b", re.IGNORECASE)
_MOVING = frozenset(("use", "schema", "search_path"))
"""Words of statements after which names can be of another schema."""


class Catalog:
    """Makes the views and functions of ``library`` in ``connection``; ``trace`` names the file in errors.

    A view is made without its deferred columns, and made again with some when a query requires them. It keeps those
    that it has, so relations that were made before stay valid.
    """

    def __init__(self, library: Library, connection: duckdb.DuckDBPyConnection, trace: str) -> None:
        self._library = library
        self._connection = connection
        self._trace = trace
        # Reading a query must not disturb rows that are being read.
        self._reader = connection.cursor()
        self._whole: dict[str, View] = {}
        self._made: dict[str, set[str]] = {}
        self._commented: set[str] = set()
        self._functions: set[str] = set()
        self._declared: set[str] = set()
        self._is_moved = False

    def prepare(self, query: str) -> list[ComputedTable]:
        """Makes the functions and views that ``query`` names: all views, with comments, if it asks for DuckDB's
        catalog.

        Returns the tables that have to be computed before it runs, in this order.
        """
        wanted = self._make_functions(query)
        if _CATALOG.search(query):
            self._make_all()
        required = Requirements(query, self._reader)
        if required.describes:
            self.complete(query)
            return []
        computed: list[ComputedTable] = []
        for key in self._named(required):
            view = self._view(key)
            everything = view.deferred and required.everything_of(view.name)
            deferred = set(view.deferred) if everything else set(required.columns & view.deferred.keys())
            self._make(key, deferred)
            computed += view.having(deferred).computed
        return list({table.table.name: table for table in (*computed, *wanted)}.values())

    def listing(self, only: str | None = None) -> list[tuple[str, str, str, str]]:
        """View, column, SQL type and comment of every column that SQL can use, in order; nothing is made for it.

        ``only``: one view, by its name with or without the schema, in upper or lower case.
        """
        keys = (*sorted(self._library.main), *(f"{SYS_SCHEMA}.{name}" for name in sorted(self._library.calls)))
        wanted = None if only is None else only.lower()
        chosen = [key for key in keys if wanted in (None, key, key.rpartition(".")[2], f"main.{key}")]
        return [(key, c.name, c.sql_type, c.comment) for key in chosen for c in self._view(key).columns]

    def complete(self, query: str) -> bool:
        """Makes the views that ``query`` names with all their columns; whether any got new ones."""
        named = self._named(Requirements(query, self._reader))
        missing = [key for key in named if self._view(key).deferred.keys() - self._made.get(key, set())]
        for key in missing:
            self._make(key, self._view(key).deferred)
        return bool(missing)

    def computed(self, query: str) -> list[ComputedTable]:
        """The tables that all columns of the views that ``query`` names need."""
        return [table for key in self._named(Requirements(query, self._reader)) for table in self._view(key).computed]

    def _named(self, required: Requirements) -> list[str]:
        """The keys of the views that a query names."""
        named = dict.fromkeys(name for name in self._library.main if name in required.words)
        if SYS_SCHEMA in required.words:
            names = [(quoted or plain).lower() for quoted, plain in _SYS_NAME.findall(required.query)]
            elsewhere = len(_SYS.findall(required.query)) > len(names)
            if elsewhere:
                # The library lists only some of many calls, but has a view of each.
                names += [*self._library.calls, *(word for word in required.words if word.startswith("unknown_"))]
            chosen = filter(self._library.is_call, names)
            named |= dict.fromkeys(f"{SYS_SCHEMA}.{name}" for name in chosen)
        self._is_moved |= bool(required.words & _MOVING)
        if self._is_moved:
            # After USE sys, views are found without their schema.
            named |= dict.fromkeys(key for key in self._made if key.rpartition(".")[2] in required.words)
        return list(named)

    def _make_all(self) -> None:
        """Makes all views with all columns and comments. What is computed stays empty, because nobody reads it."""
        for key in (*self._library.main, *(f"{SYS_SCHEMA}.{name}" for name in self._library.calls)):
            self._make(key, self._view(key).deferred)
        uncommented = [self._whole[key] for key in self._made if key not in self._commented]
        if uncommented:
            self._connection.execute("".join(view.comments() for view in uncommented))
            self._commented.update(self._made)

    def _view(self, key: str) -> View:
        """The view with all its columns."""
        if key not in self._whole:
            self._whole[key] = self._library.view(key)
        return self._whole[key]

    def _make(self, key: str, deferred: Collection[str]) -> None:
        """Makes a view, or makes it again, so that it has at least these of its deferred columns."""
        made = self._made.get(key)
        if made is not None and made.issuperset(deferred):
            return
        wanted = made.union(deferred) if made else set(deferred)
        view = self._view(key).having(wanted)
        for read in view.reads:
            self._make(read, ())
        for join in view.joins:
            for table in join.tables:
                self._make(table, join.columns)
            if join.computed:
                self._declare(join.computed)
        statement = view.create()
        # Deferred columns that need no join are texts of numbers.
        if view.schema == SYS_SCHEMA or any(column.joins == () for column in view.columns):
            self._make_functions(statement)
        self._run(statement, view.name)
        _log.debug("view %s with %s", key, ", ".join(sorted(wanted)) or "no deferred column")
        self._made[key] = wanted
        self._commented.discard(key)

    def _declare(self, computed: ComputedTable) -> None:
        if computed.table.name not in self._declared:
            self._connection.execute(table_statements(computed))
            self._declared.add(computed.table.name)

    def _make_functions(self, text: str) -> list[ComputedTable]:
        """Makes the functions that ``text`` names; the tables that these need computed."""
        computed: list[ComputedTable] = []
        for function in self._library.functions(text):
            if function.view:
                self._make(function.view, self._view(function.view).deferred)
                computed += self._view(function.view).computed
            if function.computed:
                self._declare(function.computed)
                computed.append(function.computed)
            if function.name not in self._functions:
                function.make(self._connection)
                self._functions.add(function.name)
        return computed

    def _run(self, statement: str, name: str) -> None:
        import duckdb  # noqa: PLC0415

        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            raise damage(error, self._trace, name) from None
