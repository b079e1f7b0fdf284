"""The columns of views that say what calls are about, and the tables computed for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from bpfrec.analyze.engine.parquet_source import parquet_source
from bpfrec.analyze.engine.protocols import Session
from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.analyze.engine.view import ComputedTable, Join, ViewColumn
from bpfrec.analyze.names.paths import joined_expression
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.remote.remote_reader import RemoteTable
from bpfrec.formats.schema import SYSCALLS, URING
from bpfrec.formats.trace_reader import table_rows

NAME_CODE = "name_code"
"""The column of ``computed.calls()`` with the code of what a call is about."""

NAMES = Table(
    "names",
    "The names of what calls are about, by code.",
    (
        Column("code", "INTEGER", "the number that stands for the rest of the row"),
        Column("name", "VARCHAR", "of its descriptor, or of what its path starts at; NULL: none, or see reason"),
        Column("canonical", "BOOLEAN", "whether it is known that no symbolic link stands in it"),
        Column("is_path", "BOOLEAN", "whether the call's path has to be put behind it"),
        Column("name2", "VARCHAR", "the same for the second thing that a call names"),
        Column("canonical2", "BOOLEAN", "the same for the second"),
        Column("is_path2", "BOOLEAN", "the same for the second"),
        Column("reason", "UTINYINT", "why a name is NULL, by its place in the list of reasons; NULL: none is"),
    ),
)


REQUEST_NAMES = Table(
    "request_names",
    "The names of what requests to io_uring are about.",
    (
        Column("pid", "INTEGER", "the request's process"),
        Column("tid", "INTEGER", "the thread that submitted it"),
        Column("ts_ns", "BIGINT", "when it did"),
        *(column for column in NAMES.columns if column.name != "code"),
        Column("reason2", "UTINYINT", "the same for the second"),
    ),
)


@dataclass(frozen=True)
class NamedCalls:
    """Where the view of calls has their names from: the Parquet file of the calls, None if there are none.

    ``columns``: those of the format that it has. ``copy``: where a copy of the file can stand that has a column more;
    None: nowhere.
    """

    parquet: Path | RemoteTable | None
    columns: tuple[str, ...]
    copy: Callable[[], Path | None]

    @cached_property
    def join(self) -> Join:
        """The join to the names."""
        declared = f"CREATE MACRO computed.calls() AS TABLE {self.select('NULL::INTEGER')};"
        return Join(
            f"LEFT JOIN computed.names AS name ON name.code = s.{NAME_CODE}",
            computed=ComputedTable(NAMES, self._fill, declared),
            source="computed.calls() AS s",
        )

    def select(self, code: str, source: str | None = None) -> str:
        """The rows of ``computed.calls()``, whose codes the SQL ``code`` is; ``source``: what is read instead."""
        columns = "".join(f"{identifier(name)}, " for name in self.columns)
        read = source or (parquet_source(self.parquet) if self.parquet else "(SELECT 1)")
        return f"SELECT {columns}CAST({code} AS INTEGER) AS {NAME_CODE} FROM {read}"  # noqa: S608 - ours

    def _fill(self, queries: Session) -> None:
        # Most queries do not need numpy.
        from bpfrec.analyze.names.fill import fill_names  # noqa: PLC0415

        fill_names(queries, self)


def request_columns(paths: tuple[str, str]) -> tuple[ViewColumn, ...]:
    """The columns of names for the view of requests to io_uring; ``paths``: SQL for the two paths of one."""
    return _columns(paths, _REQUEST_NAME, "request")


def resolved_columns(names: NamedCalls, paths: tuple[str, str]) -> tuple[ViewColumn, ...]:
    """The columns of names for the view of all calls; ``paths``: SQL for the two paths of one."""
    return _columns(paths, names.join, "call")


def columns_of_calls(names: NamedCalls, most: int) -> tuple[ViewColumn, ...]:
    """The same for a view whose row ``s`` is one of the view of all calls.

    It names at most ``most`` things (0 to 2).
    """
    if not most:
        return ()
    columns = resolved_columns(names, ("", ""))
    wanted = (*columns[:most], columns[-1])
    has_them = Join("", (SYSCALLS.name,), tuple(column.name for column in wanted), names.join.computed)
    return tuple(replace(column, expression=f"s.{column.name}", joins=(has_them,)) for column in wanted)


def _columns(paths: tuple[str, str], join: Join, what: str) -> tuple[ViewColumn, ...]:
    """The columns of names for a view whose row ``s`` is a ``what``."""
    first, second = _shown("", paths[0]), _shown("2", paths[1])
    listed = "[" + ", ".join(literal(reason) for reason in REASONS) + "]"
    reason_of = "coalesce(name.reason, name.reason2)" if join is _REQUEST_NAME else "name.reason"
    return (
        ViewColumn("resolved_path", "VARCHAR", _comment("path, or of its descriptor", what), first, (join,)),
        ViewColumn("resolved_path2", "VARCHAR", _comment("second path or descriptor", what), second, (join,)),
        ViewColumn(
            "resolved_reason",
            "VARCHAR",
            f"why a resolved path is NULL although the {what} names something: {', '.join(REASONS)}",
            f"list_extract({listed}, {reason_of})",
            (join,),
        ),
    )


def _comment(part: str, what: str) -> str:
    return (
        f"name of the {what}'s {part}: absolute, links not followed; TCP HERE->THERE, unix:PATH, pipe:#EVENT, "
        "anon_inode:[KIND] for what is no file; NULL: none, or see resolved_reason"
    )


def _shown(which: str, path: str) -> str:
    name = f"name.name{which}"
    joined = joined_expression(name, f"name.canonical{which}", path)
    return f"CASE WHEN name.is_path{which} THEN {joined} ELSE {name} END"


def _fill_requests(queries: Session) -> None:
    if table_rows(queries.manifest).get(URING.name, 0):
        from bpfrec.analyze.names.resolve import find_request_names  # noqa: PLC0415

        queries.append("computed.request_names", find_request_names(queries))


_REQUEST_NAMES = ComputedTable(REQUEST_NAMES, _fill_requests)
_REQUEST_NAME = Join(
    "LEFT JOIN computed.request_names AS name ON name.pid = s.pid AND name.tid = s.tid AND name.ts_ns = s.ts_ns",
    computed=_REQUEST_NAMES,
)
