"""A SQL view as data: its columns, which of them are deferred, and the joins that those need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal
from bpfrec.formats.columns import Table

if TYPE_CHECKING:
    from bpfrec.analyze.engine.protocols import Session


@dataclass(frozen=True)
class ComputedTable:
    """A table that code computes from the trace when a query first requires it; it is empty until then.

    SQL finds it as ``computed.NAME``. ``fill`` puts the rows in. It gets a session for which no table is computed.
    ``macros``: SQL that makes macros of the same names as the functions that ``fill`` defines, for views to be made.
    """

    table: Table
    fill: Callable[[Session], None]
    macros: str = ""


@dataclass(frozen=True)
class Join:
    """A join of a view that some of its columns need: ``sql`` joins something to the row ``s`` of the view.

    ``tables``: the views of schema main that it reads, ``columns``: deferred columns that these must have.
    ``computed``: a table that has to be computed before. ``source``: what the view then reads in place of its own
    source, if not ''.
    """

    sql: str
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    computed: ComputedTable | None = None
    source: str = ""


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: name, SQL type, comment, and the SQL expression behind it.

    ``joins``: None for a column that is always there. A deferred column has the joins that it needs, perhaps none; the
    view has it only when a query requires it.
    """

    name: str
    sql_type: str
    comment: str
    expression: str
    joins: tuple[Join, ...] | None = None


@dataclass(frozen=True)
class View:
    """A view ``schema.name`` over ``source`` (the SQL behind FROM; '' for none), of the rows for which ``where``
    holds.
    """

    schema: str
    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    source: str
    where: str = "TRUE"
    reads: tuple[str, ...] = ()
    """Views of schema main that ``source`` names."""

    @property
    def qualified(self) -> str:
        """Schema and name, quoted."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @cached_property
    def deferred(self) -> dict[str, ViewColumn]:
        """Its deferred columns, by their names in lower case."""
        return {c.name.lower(): c for c in self.columns if c.joins is not None}

    @property
    def joins(self) -> tuple[Join, ...]:
        """The joins that its columns need, each once."""
        return tuple(dict.fromkeys(join for c in self.columns for join in c.joins or ()))

    @property
    def computed(self) -> Iterator[ComputedTable]:
        """The tables that have to be computed for its columns."""
        return (join.computed for join in self.joins if join.computed)

    def having(self, deferred: Collection[str]) -> View:
        """The view with only those of its deferred columns that are named in ``deferred``."""
        return replace(self, columns=tuple(c for c in self.columns if c.joins is None or c.name.lower() in deferred))

    def create(self) -> str:
        """The statement that makes the view."""
        columns = ", ".join(f"{c.expression} AS {identifier(c.name)}" for c in self.columns)
        joins = dict.fromkeys(join.sql for join in self.joins)
        rows = next((join.source for join in self.joins if join.source), self.source)
        source = " ".join(("FROM", rows, *joins)) if rows else ""
        return f"CREATE OR REPLACE VIEW {self.qualified} AS SELECT {columns} {source} WHERE {self.where}"

    def comments(self) -> str:
        """The statements that comment the view and its columns."""
        return f"COMMENT ON VIEW {self.qualified} IS {literal(self.comment)};" + "".join(
            f"COMMENT ON COLUMN {self.qualified}.{identifier(c.name)} IS {literal(c.comment)};" for c in self.columns
        )


def table_statements(computed: ComputedTable) -> str:
    """The statements that make the table, empty, and comment it."""
    table = computed.table
    name = f"computed.{identifier(table.name)}"
    columns = ", ".join(f"{identifier(c.name)} {c.sql_type}" for c in table.columns)
    comments = "".join(f"COMMENT ON COLUMN {name}.{identifier(c.name)} IS {literal(c.comment)};" for c in table.columns)
    made = f"CREATE SCHEMA IF NOT EXISTS computed; CREATE TABLE {name} ({columns});"
    return f"{made} COMMENT ON TABLE {name} IS {literal(table.comment)}; {comments} {computed.macros}"


def fact(name: str, sql_type: str, comment: str, value: object) -> ViewColumn:
    """A column of a view of one row that holds ``value``; a dictionary becomes a MAP."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items())
        expression = Fragment(f"MAP {{{pairs}}}")
    else:
        expression = literal(value)
    return ViewColumn(name, sql_type, comment, f"CAST({expression} AS {sql_type})")
