"""What a query requires of a view: the columns it names, or all of them if it could show any.

DuckDB keeps a join whose columns nobody asks for. So a view has its deferred columns, which need joins, only for
queries that require them. What a query names is read from DuckDB's own syntax tree (``json_serialize_sql``). A
statement that DuckDB does not serialize requires everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Node = dict[str, Any]

_WORD = re.compile(r"\w+")
_SERIALIZE = "SELECT json_serialize_sql(?)"

_SOURCES = frozenset(
    ("BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "EMPTY_FROM", "TABLE_FUNCTION", "EXPRESSION_LIST", "COLUMN_DATA")
)
"""What may stand behind FROM without a doubt about its columns. Others (PIVOT, DESCRIBE in brackets) show all."""

_QUERYING = frozenset(("query", "query_table"))
"""Table functions that run a query which is given as text."""

_WRAPPING = frozenset(("COPY", "CREATE", "CREATE_FUNC", "EXPLAIN", "INSERT"))
"""Statements that DuckDB does not serialize, though they hold a query that it does."""

_BEGINNING = frozenset(("select", "with", "from"))
_DESCRIBING_PRAGMA = re.compile(r"\s*pragma\s+(table_info|show)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Source:
    """What stands behind FROM, in lower case; ``name`` is '' for a query in brackets and for a table function.

    ``renamed``: its columns get new names by their places.
    """

    schema: str
    name: str
    alias: str
    renamed: bool

    @property
    def called(self) -> str:
        """The name that columns of it may have before them."""
        return self.alias or self.name


@dataclass
class _Statement:
    """What one statement names. ``shown``: sources all of whose columns it could show; ``understood``: it was read."""

    understood: bool = False
    describes: bool = False
    shows_everything: bool = False
    sources: list[_Source] = field(default_factory=list)
    shown: list[_Source] = field(default_factory=list)
    columns: list[tuple[str, ...]] = field(default_factory=list)

    def everything_of(self, name: str) -> bool:
        """Whether it could show all columns of the view called ``name``."""
        if not self.understood or self.shows_everything:
            return True
        if any(source.name == name for source in self.shown):
            return True
        mine = [source for source in self.sources if source.name == name]
        rows = {(source.called,) for source in mine} | {(source.schema, source.name) for source in mine}
        return any(source.renamed for source in mine) or any(
            column in rows or column[-2:] == (source.schema, source.name) for source in mine for column in self.columns
        )


_MOST_READ = 256
_LONGEST_READ = 1 << 16
_READ: dict[str, list[_Statement]] = {}
"""What queries name, by their text. It depends on nothing else."""


class Requirements:
    """What ``query``, one statement or several, requires; ``connection`` reads it and runs nothing of it."""

    def __init__(self, query: str, connection: duckdb.DuckDBPyConnection) -> None:
        self.query = query
        self.words = frozenset(word.lower() for word in _WORD.findall(query))
        self._connection = connection

    def everything_of(self, name: str) -> bool:
        """Whether it could show all columns of the view called ``name``, whose schema does not matter."""
        return any(statement.everything_of(name.lower()) for statement in self._statements)

    @property
    def columns(self) -> frozenset[str]:
        """The words that can name a column, in lower case."""
        if all(statement.understood for statement in self._statements):
            return frozenset(part for s in self._statements for column in s.columns for part in column)
        return self.words

    @property
    def describes(self) -> bool:
        """Whether it asks only for the columns of a view and their types, which needs no rows."""
        return len(self._statements) == 1 and self._statements[0].describes

    @cached_property
    def _statements(self) -> list[_Statement]:
        # One query is looked at several times, and those of reports and computed tables with every trace.
        known = _READ.get(self.query)
        if known is None:
            if len(_READ) >= _MOST_READ:
                _READ.clear()
            known = self._read_all()
            if len(self.query) <= _LONGEST_READ:
                _READ[self.query] = known
        return known

    def _read_all(self) -> list[_Statement]:
        import duckdb  # noqa: PLC0415

        try:
            found = self._connection.extract_statements(self.query.encode(errors="replace").decode())
        except duckdb.Error:
            # It does not parse, so it will not run either.
            return []
        return [self._read(statement) for statement in found]

    def _read(self, statement: duckdb.Statement) -> _Statement:
        kind = str(statement.type).rpartition(".")[2]
        tree = self._tree(statement.query)
        if tree is None and kind in _WRAPPING:
            tree = self._wrapped(statement.query)
        if tree is None:
            return _Statement(describes=_DESCRIBING_PRAGMA.match(statement.query) is not None)
        read = _Statement(understood=True, describes=_is_describe(tree))
        if not read.describes:
            _walk(tree, read)
        return read

    def _tree(self, query: str) -> Node | None:
        """The syntax tree of a SELECT; None for anything else."""
        ((text,),) = self._connection.execute(_SERIALIZE, [query]).fetchall()
        tree = json.loads(text)
        # An empty text has no statements: what stands in the brackets of ``CREATE MACRO m() AS TABLE ...``.
        return {"statements": tree["statements"]} if tree.get("statements") else None

    def _wrapped(self, text: str) -> Node | None:
        """The tree of the query in a statement such as ``COPY (SELECT ...) TO 'file'``, where that is all it reads."""
        import duckdb  # noqa: PLC0415

        raw = text.encode()
        starts = [start for start, _ in duckdb.tokenize(text)]
        depth = 0
        opened: int | None = None
        for start, end in zip(starts, [*starts[1:], len(raw)], strict=True):
            word = raw[start:end].decode(errors="replace").strip().lower()
            if word == "(":
                depth += 1
                opened = end if depth == 1 else opened
            elif word == ")":
                depth -= 1
                if not depth and opened is not None and (tree := self._tree(raw[opened:start].decode())):
                    return tree
            elif not depth and word in _BEGINNING:
                return self._tree(raw[start:].decode())
        return None


def _is_describe(tree: Node) -> bool:
    """Whether a tree is that of ``DESCRIBE name``."""
    statement = tree["statements"][0]
    described = statement["node"].get("from_table") or {}
    shown = (described.get("query") or {}).get("select_list") or []
    return (
        described.get("type") == "SHOW_REF"
        and described.get("show_type") == "DESCRIBE"
        and [column.get("class") for column in shown] == ["STAR"]
    )


def _walk(node: object, read: _Statement) -> None:
    """Notes what ``node`` and all below it name."""
    if isinstance(node, list):
        for part in node:
            _walk(part, read)
    elif isinstance(node, dict):
        _note(node, read)
        for part in node.values():
            _walk(part, read)


def _note(node: Node, read: _Statement) -> None:
    if node.get("class") == "COLUMN_REF":
        read.columns.append(tuple(part.lower() for part in node["column_names"]))
    read.columns.extend((column.lower(),) for column in node.get("using_columns") or ())
    if "from_table" in node:
        sources = list(_sources(node["from_table"], read))
        read.sources += sources
        for star in _stars(node):
            relation = (star.get("relation_name") or "").lower().rpartition(".")[2].strip('"')
            read.shown += [source for source in sources if relation in ("", source.called)]
            if relation and all(source.called != relation for source in sources):
                # Of a table outside of this SELECT.
                read.shows_everything = True


def _below(part: object) -> Iterator[Node]:
    """All nodes in ``part``."""
    if isinstance(part, list):
        for one in part:
            yield from _below(one)
    elif isinstance(part, dict):
        yield part
        yield from _below(list(part.values()))


def _stars(node: Node) -> Iterator[Node]:
    """The ``*`` of one SELECT, without those of the queries within it."""
    waiting: list[object] = [value for key, value in node.items() if key not in ("from_table", "cte_map", "modifiers")]
    # ORDER BY ALL is a star without an expression, and sorts by what the SELECT names.
    waiting += [part for part in _below(node.get("modifiers")) if part.get("class") == "STAR" and part.get("expr")]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict) and "from_table" not in part:
            if part.get("class") == "STAR":
                yield part
            waiting += part.values()


def _sources(table: Node | None, read: _Statement) -> Iterator[_Source]:
    """What stands behind one FROM; of a query in brackets, that query and nothing in it."""
    if not table:
        return
    kind = table.get("type")
    if kind not in _SOURCES:
        read.shows_everything = True
        return
    if kind == "JOIN":
        sides = [*_sources(table.get("left"), read), *_sources(table.get("right"), read)]
        if table.get("ref_type") == "NATURAL":
            read.shown += sides
        yield from sides
        return
    if kind == "TABLE_FUNCTION" and (table.get("function") or {}).get("function_name") in _QUERYING:
        read.shows_everything = True
    schema, name, alias = (str(table.get(key) or "").lower() for key in ("schema_name", "table_name", "alias"))
    yield _Source(schema, name, alias, renamed=bool(table.get("column_name_alias")))
