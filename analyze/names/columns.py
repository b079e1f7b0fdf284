"""The columns of views that say what calls are about, and the tables computed for them."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import ComputedTable, Join, ViewColumn
from bpfrec.analyze.names.paths import joined_expression
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats.columns import Column, Table

RESOLVED = Table(
    "resolved",
    "The names of what calls are about, by number.",
    (
        Column("event_id", "BIGINT", "the call"),
        Column("name", "INTEGER", "of its descriptor, or of what its path starts at; NULL: see reason"),
        Column("is_path", "BOOLEAN", "whether the path has to be put behind it"),
        Column("name2", "INTEGER", "the same for the second"),
        Column("is_path2", "BOOLEAN", "the same for the second"),
        Column("reason", "UTINYINT", "why a name is NULL, by its place in the list of reasons; NULL: none is"),
    ),
)

NAMES = Table(
    "names",
    "The names of what descriptors stand for.",
    (
        Column("id", "INTEGER", "the number of the name"),
        Column("name", "VARCHAR", "the name"),
        Column("canonical", "BOOLEAN", "whether it is known that no symbolic link stands in it"),
    ),
)


def resolved_columns(most: int = 2, paths: tuple[str, str] = ("s.path", "s.path2")) -> tuple[ViewColumn, ...]:
    """The columns of names for a view whose row ``s`` is a call that names at most ``most`` things (0 to 2).

    ``paths``: SQL for its two paths.
    """
    first, second = _shown("", paths[0]), _shown("2", paths[1])
    listed = "[" + ", ".join(literal(reason) for reason in REASONS) + "]"
    columns = (
        ViewColumn("resolved_path", "VARCHAR", _comment("path, or of its descriptor"), first, (_CALLS, _NAME)),
        ViewColumn("resolved_path2", "VARCHAR", _comment("second path or descriptor"), second, (_CALLS, _NAME2)),
    )
    reason = ViewColumn(
        "resolved_reason",
        "VARCHAR",
        f"why a resolved path is NULL although the call names something: {', '.join(REASONS)}",
        f"list_extract({listed}, resolved.reason)",
        (_CALLS,),
    )
    return (*columns[:most], reason) if most else ()


def _comment(what: str) -> str:
    return (
        f"name of the call's {what}: absolute, links not followed; TCP HERE->THERE, unix:PATH, pipe:#EVENT, "
        "anon_inode:[KIND] for what is no file; NULL: none, or see resolved_reason"
    )


def _shown(which: str, path: str) -> str:
    table = f"name{which}"
    joined = joined_expression(f"{table}.name", f"{table}.canonical", path)
    return f"CASE WHEN resolved.is_path{which} THEN {joined} ELSE {table}.name END"


def _fill_resolved(queries: Queries) -> None:
    # Most queries do not need numpy.
    from bpfrec.analyze.names.resolve import fill_resolved  # noqa: PLC0415

    fill_resolved(queries)


def _fill_names(queries: Queries) -> None:
    from bpfrec.analyze.names.resolve import fill_names  # noqa: PLC0415

    fill_names(queries)


_CALLS = Join(
    "LEFT JOIN computed.resolved AS resolved ON resolved.event_id = s.event_id",
    computed=ComputedTable(RESOLVED, _fill_resolved),
)
_NAMES = ComputedTable(NAMES, _fill_names)
_NAME = Join("LEFT JOIN computed.names AS name ON name.id = resolved.name", computed=_NAMES)
_NAME2 = Join("LEFT JOIN computed.names AS name2 ON name2.id = resolved.name2", computed=_NAMES)
