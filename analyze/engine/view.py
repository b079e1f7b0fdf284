"""A SQL view: its columns, which of them cost something, and what those need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal
from bpfrec.formats.columns import Table

if TYPE_CHECKING:
    from bpfrec.analyze.trace import Trace


@dataclass(frozen=True)
class Computed:
    """A table that is computed from the trace when a query first needs what is in it, and empty until then.

    SQL finds it as ``computed.NAME``. ``fill`` puts the rows in, by :meth:`bpfrec.analyze.trace.Trace.execute`.
    """

    table: Table
    fill: Callable[[Trace], None]


@dataclass(frozen=True)
class Late:
    """What some columns of a view cost: ``join`` joins them to the row ``s`` of the view.

    ``tables`` are the views of schema main that it reads, ``computed`` what has to be computed before.
    """

    join: str
    tables: tuple[str, ...] = ()
    computed: Computed | None = None


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: name, SQL type, comment, and the SQL expression behind it.

    ``late``: None for a column that costs nothing unless it is read; another is in the view only once a query can
    need it, with the joins that it says.
    """

    name: str
    sql_type: str
    comment: str
    expression: str
    late: tuple[Late, ...] | None = None


@dataclass(frozen=True)
class View:
    """A view ``schema.name`` over ``source`` (what stands behind FROM; '' for none) as far as ``where`` holds."""

    schema: str
    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    source: str
    where: str = "TRUE"

    @property
    def qualified(self) -> str:
        """Schema and name, quoted."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    @cached_property
    def late(self) -> dict[str, ViewColumn]:
        """Its late columns, by their names in lower case."""
        return {c.name.lower(): c for c in self.columns if c.late is not None}

    @property
    def needed(self) -> tuple[Late, ...]:
        """What all its columns need."""
        return tuple(dict.fromkeys(late for c in self.columns for late in c.late or ()))

    @property
    def computed(self) -> Iterator[Computed]:
        """What has to be computed for its columns."""
        return (late.computed for late in self.needed if late.computed)

    def having(self, late: Collection[str]) -> View:
        """The view with those of its late columns that are named in ``late`` and no other."""
        return replace(self, columns=tuple(c for c in self.columns if c.late is None or c.name.lower() in late))

    def create(self) -> str:
        """The statement that makes the view."""
        columns = ", ".join(f"{c.expression} AS {identifier(c.name)}" for c in self.columns)
        joins = dict.fromkeys(late.join for late in self.needed)
        source = " ".join(("FROM", self.source, *joins)) if self.source else ""
        return f"CREATE OR REPLACE VIEW {self.qualified} AS SELECT {columns} {source} WHERE {self.where}"

    def comments(self) -> str:
        """The statements that comment the view and its columns."""
        return f"COMMENT ON VIEW {self.qualified} IS {literal(self.comment)};" + "".join(
            f"COMMENT ON COLUMN {self.qualified}.{identifier(c.name)} IS {literal(c.comment)};" for c in self.columns
        )


def table_statements(computed: Computed) -> str:
    """The statements that make the table, empty, and comment it."""
    table = computed.table
    name = f"computed.{identifier(table.name)}"
    columns = ", ".join(f"{identifier(c.name)} {c.sql_type}" for c in table.columns)
    comments = "".join(f"COMMENT ON COLUMN {name}.{identifier(c.name)} IS {literal(c.comment)};" for c in table.columns)
    made = f"CREATE SCHEMA IF NOT EXISTS computed; CREATE TABLE {name} ({columns});"
    return f"{made} COMMENT ON TABLE {name} IS {literal(table.comment)}; {comments}"


def fact(name: str, sql_type: str, comment: str, value: object) -> ViewColumn:
    """A column of a view of one row that holds ``value``; a dictionary becomes a MAP."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items())
        expression = Fragment(f"MAP {{{pairs}}}")
    else:
        expression = literal(value)
    return ViewColumn(name, sql_type, comment, f"CAST({expression} AS {sql_type})")
