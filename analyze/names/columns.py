"""The columns of views that say what calls are about, and the tables computed for them."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Session
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import ComputedTable, Join, ViewColumn
from bpfrec.analyze.names.paths import joined_expression
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats.columns import Column, Table

FIRST_NAME, SECOND_NAME = "first_name", "second_name"
"""SQL functions: the code of the first and of the second thing that a call names, by its number."""

NAMES = Table(
    "names",
    "The names of what calls are about, by code.",
    (
        Column("code", "INTEGER", "the number that stands for the rest of the row"),
        Column("name", "VARCHAR", "of a descriptor, or of what a path starts at; NULL: see reason"),
        Column("canonical", "BOOLEAN", "whether it is known that no symbolic link stands in it"),
        Column("is_path", "BOOLEAN", "whether the call's path has to be put behind it"),
        Column("reason", "UTINYINT", "why the name is NULL, by its place in the list of reasons; NULL: it is not"),
    ),
)


def resolved_columns(most: int = 2, paths: tuple[str, str] = ("s.path", "s.path2")) -> tuple[ViewColumn, ...]:
    """The columns of names for a view whose row ``s`` is a call that names at most ``most`` things (0 to 2).

    ``paths``: SQL for its two paths.
    """
    first, second = _shown("", paths[0]), _shown("2", paths[1])
    listed = "[" + ", ".join(literal(reason) for reason in REASONS) + "]"
    columns = (
        ViewColumn("resolved_path", "VARCHAR", _comment("path, or of its descriptor"), first, (_NAME,)),
        ViewColumn("resolved_path2", "VARCHAR", _comment("second path or descriptor"), second, (_NAME2,)),
    )
    reason = ViewColumn(
        "resolved_reason",
        "VARCHAR",
        f"why a resolved path is NULL although the call names something: {', '.join(REASONS)}",
        f"list_extract({listed}, {'name.reason' if most == 1 else 'coalesce(name.reason, name2.reason)'})",
        (_NAME, _NAME2)[:most],
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
    return f"CASE WHEN {table}.is_path THEN {joined} ELSE {table}.name END"


def _fill(queries: Session) -> None:
    # Most queries do not need numpy.
    from bpfrec.analyze.names.resolve import fill_names  # noqa: PLC0415

    fill_names(queries)


def _join(name: str, function: str) -> Join:
    # A call has its code by a function, for to join so many rows by event_id takes longer, and a lot of memory.
    return Join(f"LEFT JOIN computed.names AS {name} ON {name}.code = {function}(s.event_id)", computed=_NAMES)


_UNKNOWN_YET = "".join(f"CREATE MACRO {name}(call) AS NULL::INTEGER;" for name in (FIRST_NAME, SECOND_NAME))
_NAMES = ComputedTable(NAMES, _fill, _UNKNOWN_YET)
_NAME, _NAME2 = _join("name", FIRST_NAME), _join("name2", SECOND_NAME)
