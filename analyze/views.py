"""The SQL views over a trace: one per table, one per system call, one for the recording as a whole.

What stands in the manifest is a stranger's: it reaches SQL as a literal or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bpfrec.analyze.ctypes import ULONG, ctype
from bpfrec.analyze.decode.calls import argument_text, call_text, return_text
from bpfrec.analyze.decode.functions import functions
from bpfrec.analyze.sqltemplate import Fragment, identifier, literal
from bpfrec.formats import schema
from bpfrec.formats.schema import Column, Table
from bpfrec.formats.syscalls import Argument, Syscall, syscalls

SYS_SCHEMA = "sys"

_UNKNOWN = re.compile(r"unknown_-?\d{1,9}")
_LAST = ("abi", "path_status", "path2_status", "unfinished", "entry_status")
_BEFORE_ARGUMENTS = ("event_id", "ts", "ts_ns", "duration_ns", "pid", "tid", "comm", "uid", "cpu")
_AFTER_ARGUMENTS = ("ret", "errno", "path", "path2", "stack_id")
_TS = Column("ts", "TIMESTAMP_NS", "entry, wall clock (UTC) of the recording host")


@dataclass(frozen=True)
class ViewColumn:
    """A column of a view: name, SQL type, comment, and the SQL expression behind it."""

    name: str
    sql_type: str
    comment: str
    expression: str


@dataclass(frozen=True)
class View:
    """A view ``schema.name`` over ``source`` (what stands behind FROM; '' for none)."""

    schema: str
    name: str
    comment: str
    columns: tuple[ViewColumn, ...]
    source: str

    @property
    def qualified(self) -> str:
        """Schema and name, quoted."""
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def create(self) -> str:
        """The statement that makes the view."""
        columns = ", ".join(f"{c.expression} AS {identifier(c.name)}" for c in self.columns)
        return f"CREATE OR REPLACE VIEW {self.qualified} AS SELECT {columns} {self.source}"

    def comments(self) -> str:
        """The statements that comment the view and its columns."""
        return f"COMMENT ON VIEW {self.qualified} IS {literal(self.comment)};" + "".join(
            f"COMMENT ON COLUMN {self.qualified}.{identifier(c.name)} IS {literal(c.comment)};" for c in self.columns
        )


def table_view(table: Table, parquet: Path | None, present: Collection[str], wall_offset_ns: int) -> View:
    """The view over a table: exactly the columns of the format, in the types of the format.

    A column that is not among those ``present`` in the Parquet file is NULL; without a file the view is empty.
    ``wall_offset_ns`` takes CLOCK_MONOTONIC to the wall clock.
    """
    columns = [
        ViewColumn(
            c.name,
            c.sql_type,
            c.comment,
            f"CAST({identifier(c.name) if c.name in present else 'NULL'} AS {c.sql_type})",
        )
        for c in table.columns
    ]
    if table is schema.SYSCALLS:
        ts_ns = next(c.expression for c in columns if c.name == "ts_ns")
        ts = ViewColumn(_TS.name, _TS.sql_type, _TS.comment, f"make_timestamp_ns({ts_ns} + {literal(wall_offset_ns)})")
        columns.insert(1, ts)
        columns.sort(key=lambda c: c.name in _LAST)
    return View("main", table.name, table.comment, tuple(columns), _from_parquet(parquet))


def _from_parquet(parquet: Path | None) -> str:
    if parquet is None:
        return "WHERE FALSE"
    # DuckDB would take *, ? and [ in the name for a pattern, and key=value folders in it for columns.
    path = re.sub(r"([*?\[])", r"[\1]", parquet.resolve().as_posix())
    return f"FROM read_parquet({literal(path)}, hive_partitioning = false)"


def recorded_syscalls(counts: dict[str, int]) -> list[str]:
    """The names of the system calls in a trace, as its manifest counts them; what is no such name is left out."""
    return sorted(name for name, rows in counts.items() if rows > 0 and is_syscall(name))


def is_syscall(name: str) -> bool:
    """Whether a trace can have calls of this name."""
    return name in syscalls() or _UNKNOWN.fullmatch(name) is not None


def syscall_view(name: str) -> View:
    """The view ``sys.NAME`` of one system call: its arguments by name and C type.

    Only the calls of the native ABI are in it: in the others' tables the arguments can stand elsewhere.
    """
    call = syscalls().get(name)
    common = {c.name: c for c in (*schema.SYSCALLS.columns, _TS)}
    columns = [_common(common[n]) for n in _BEFORE_ARGUMENTS]
    source = "FROM main.syscalls AS s"
    if call is None or call.arguments is None:
        columns += [_common(common[f"arg{i}"]) for i in range(6)]
    else:
        for argument in call.arguments:
            column = _argument(argument, call)
            columns += [column, *_text(column, "argument", argument_text(call, argument))]
        for index in (c.index for c in call.captures if c.kind == "timespec"):
            t = f"t{index}"
            source += f" LEFT JOIN main.timespecs AS {t} ON {t}.event_id = s.event_id AND {t}.arg = {index}"
            columns += _timespec(call.arguments[index], t)
    taken = {c.name for c in columns}
    for column in (_common(common[n]) for n in _AFTER_ARGUMENTS if n not in taken):
        columns += [column, *_text(column, "result", return_text(call) if call and column.name == "ret" else None)]
    columns.append(ViewColumn("call_text", "VARCHAR", "the whole call, as strace writes it", call_text(call, name)))
    source += f" WHERE s.syscall = {literal(name)} AND s.abi = 'x86_64'"
    return View(SYS_SCHEMA, name, f"Calls of {name}, with named arguments.", tuple(columns), source)


def _text(column: ViewColumn, what: str, expression: str | None) -> list[ViewColumn]:
    comment = f"{column.name} as text: the {what} read by {(expression or '').partition('(')[0]}"
    return [ViewColumn(f"{column.name}_text", "VARCHAR", comment, expression)] if expression else []


def _common(column: Column) -> ViewColumn:
    return ViewColumn(column.name, column.sql_type, column.comment, f"s.{identifier(column.name)}")


def _argument(argument: Argument, call: Syscall) -> ViewColumn:
    name, declared = argument.name, f"{argument.ctype} {argument.name}".replace("* ", "*")
    taken = name in _BEFORE_ARGUMENTS or name in _AFTER_ARGUMENTS
    if argument.index in call.paths[:2]:
        column = ("path", "path2")[call.paths.index(argument.index)]
        return ViewColumn(
            f"arg_{name}" if taken and name != column else name,
            "VARCHAR",
            f"{declared}: as passed; the pointer is syscalls.arg{argument.index}",
            f"s.{column}",
        )
    kind = ULONG if argument.is_pointer else ctype(argument.ctype)
    return ViewColumn(f"arg_{name}" if taken else name, kind.sql_type, declared, kind.cast(f"s.arg{argument.index}"))


def _timespec(argument: Argument, alias: str) -> list[ViewColumn]:
    return [
        ViewColumn(
            f"{argument.name}_{c.name}", c.sql_type, f"{c.name} of {argument.name}: {c.comment}", f"{alias}.{c.name}"
        )
        for c in schema.TIMESPECS.columns
        if c.name in ("tv_sec", "tv_nsec")
    ]


def execs_view(calls: str) -> View:
    """The view of the programs that were executed; ``calls``: SQL of those calls, with their arguments as ``argv``."""
    common = {c.name: c for c in (*schema.SYSCALLS.columns, _TS)}
    columns = [_common(common[n]) for n in ("event_id", "ts", "ts_ns", "duration_ns", "pid", "tid", "comm", "path")]
    argv = "arguments, quoted for a shell, ... for the rest that is missing; NULL: they were not read"
    columns.append(ViewColumn("argv", "VARCHAR", argv, "s.argv"))
    columns += [_common(common[n]) for n in ("ret", "errno")]
    comment = "One row per execve and execveat, failed ones too (ret < 0)."
    return View("main", "execs", comment, tuple(columns), f"FROM ({calls}) AS s")


def functions_view() -> View:
    """The view of the SQL functions that make text of numbers."""
    rows = ", ".join(literal([function.signature, function.comment]) for function in functions().values())
    columns = (
        ViewColumn(
            "function",
            "VARCHAR",
            "as it is called; value: any integer, raw or cast; selector: the argument that decides",
            "f.signature",
        ),
        ViewColumn("what", "VARCHAR", "what it makes text of", "f.what"),
    )
    source = f"FROM (VALUES {rows}) AS f(signature, what) ORDER BY f.signature"
    return View("main", "functions", "The SQL functions that make text of numbers.", columns, source)


def fact(name: str, sql_type: str, comment: str, value: object) -> ViewColumn:
    """A column of a view of one row that holds ``value``; a dictionary becomes a MAP."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items())
        expression = Fragment(f"MAP {{{pairs}}}")
    else:
        expression = literal(value)
    return ViewColumn(name, sql_type, comment, f"CAST({expression} AS {sql_type})")
