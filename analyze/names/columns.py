"""The columns of views that say what calls are about, and the tables computed for them."""

from __future__ import annotations

from bpfrec.analyze.engine.protocols import Session
from bpfrec.analyze.engine.sqltemplate import literal
from bpfrec.analyze.engine.view import ComputedTable, Join, ViewColumn
from bpfrec.analyze.names.paths import joined_expression
from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.schema import URING
from bpfrec.formats.trace_reader import table_rows

NAME_CODE = "name_code"
"""SQL function: the code of what a call is about, by its number."""

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


def request_columns(paths: tuple[str, str]) -> tuple[ViewColumn, ...]:
    """The columns of names for the view of requests to io_uring; ``paths``: SQL for the two paths of one."""
    return resolved_columns(paths=paths, join=_REQUEST_NAME, what="request")


def resolved_columns(
    most: int = 2, paths: tuple[str, str] = ("s.path", "s.path2"), join: Join | None = None, what: str = "call"
) -> tuple[ViewColumn, ...]:
    """The columns of names for a view whose row ``s`` is a call that names at most ``most`` things (0 to 2).

    ``paths``: SQL for its two paths. ``join``: to the names, for a view of something else, which is called ``what``.
    """
    joins = (join or _NAME,)
    first, second = _shown("", paths[0]), _shown("2", paths[1])
    listed = "[" + ", ".join(literal(reason) for reason in REASONS) + "]"
    columns = (
        ViewColumn("resolved_path", "VARCHAR", _comment("path, or of its descriptor", what), first, joins),
        ViewColumn("resolved_path2", "VARCHAR", _comment("second path or descriptor", what), second, joins),
    )
    reason_of = "name.reason" if join is None else "coalesce(name.reason, name.reason2)"
    reason = ViewColumn(
        "resolved_reason",
        "VARCHAR",
        f"why a resolved path is NULL although the {what} names something: {', '.join(REASONS)}",
        f"list_extract({listed}, {reason_of})",
        joins,
    )
    return (*columns[:most], reason) if most else ()


def _comment(part: str, what: str) -> str:
    return (
        f"name of the {what}'s {part}: absolute, links not followed; TCP HERE->THERE, unix:PATH, pipe:#EVENT, "
        "anon_inode:[KIND] for what is no file; NULL: none, or see resolved_reason"
    )


def _shown(which: str, path: str) -> str:
    name = f"name.name{which}"
    joined = joined_expression(name, f"name.canonical{which}", path)
    return f"CASE WHEN name.is_path{which} THEN {joined} ELSE {name} END"


def _fill(queries: Session) -> None:
    # Most queries do not need numpy.
    from bpfrec.analyze.names.fill import fill_names  # noqa: PLC0415

    fill_names(queries)


def _fill_requests(queries: Session) -> None:
    if table_rows(queries.manifest).get(URING.name, 0):
        from bpfrec.analyze.names.resolve import find_request_names  # noqa: PLC0415

        queries.append("computed.request_names", find_request_names(queries))


_REQUEST_NAMES = ComputedTable(REQUEST_NAMES, _fill_requests)
_REQUEST_NAME = Join(
    "LEFT JOIN computed.request_names AS name ON name.pid = s.pid AND name.tid = s.tid AND name.ts_ns = s.ts_ns",
    computed=_REQUEST_NAMES,
)
_NAMES = ComputedTable(NAMES, _fill, f"CREATE MACRO {NAME_CODE}(call) AS NULL::INTEGER;")
# A call has its code by a function, for to join so many rows by event_id takes longer, and a lot of memory.
_NAME = Join(f"LEFT JOIN computed.names AS name ON name.code = {NAME_CODE}(s.event_id)", computed=_NAMES)
