"""The SQL views over a trace: one per table, one per system call, one for the recording as a whole.

What the manifest says may come from a stranger: it reaches SQL only as a literal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from bpfrec.analyze.decode.argument_types import ULONG, argument_type
from bpfrec.analyze.decode.calls import argument_text, call_text, return_text
from bpfrec.analyze.decode.captures.kinds import capture_columns
from bpfrec.analyze.decode.captures.signals import delivered
from bpfrec.analyze.decode.functions import functions
from bpfrec.analyze.engine.catalog import SYS_SCHEMA
from bpfrec.analyze.engine.parquet_source import parquet_source
from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.analyze.engine.view import View, ViewColumn
from bpfrec.analyze.names.columns import NamedCalls, columns_of_calls, request_columns, resolved_columns
from bpfrec.analyze.views import stack_text as frames
from bpfrec.formats import schema
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.kernel.descriptors import uses
from bpfrec.formats.kernel.syscalls import Argument, Syscall, syscalls
from bpfrec.formats.kernel.uring_ops import uring_ops
from bpfrec.formats.remote.remote_reader import RemoteTable

_UNKNOWN = re.compile(r"unknown_-?\d{1,10}")
_LAST = ("abi", "path_status", "path2_status", "unfinished", "entry_status", "stack_status")
_BEFORE_ARGUMENTS = ("event_id", "ts", "ts_ns", "duration_ns", "pid", "tid", "comm", "uid", "cpu")
_AFTER_ARGUMENTS = ("ret", "errno", "path", "path2", "stack_id")
_TS = Column("ts", "TIMESTAMP_NS", "entry, wall clock (UTC) of the recording host")
_SUBMITTED = "when it was submitted, wall clock (UTC) of the recording host"
_OTHER_TS = "when, wall clock (UTC) of the recording host"
_WITH_WALL_CLOCK = (schema.SYSCALLS, schema.SAMPLES, schema.SCHED, schema.URING, schema.SIGNALS)


def table_view(
    table: Table,
    parquet: Path | RemoteTable | None,
    present: Collection[str],
    wall_offset_ns: int,
    names: NamedCalls | None = None,
) -> View:
    """The view over a table: the columns of the format, with the types of the format.

    A column that is not ``present`` in the Parquet file is NULL. Without a file the view is empty. ``wall_offset_ns``
    is what has to be added to a time on CLOCK_MONOTONIC for ns since the epoch. ``names``: where the view of calls has
    their names from.
    """
    columns = [
        ViewColumn(
            c.name,
            c.sql_type,
            c.comment,
            f"CAST({f's.{identifier(c.name)}' if c.name in present else 'NULL'} AS {c.sql_type})",
        )
        for c in table.columns
    ]
    if table in _WITH_WALL_CLOCK:
        place, ts_ns = next((i, c.expression) for i, c in enumerate(columns) if c.name == "ts_ns")
        comment = _TS.comment if table is schema.SYSCALLS else _SUBMITTED if table is schema.URING else _OTHER_TS
        ts = ViewColumn(_TS.name, _TS.sql_type, comment, f"make_timestamp_ns({ts_ns} + {literal(wall_offset_ns)})")
        columns.insert(place, ts)
    if table is schema.SYSCALLS and names:
        columns.sort(key=lambda c: c.name in _LAST)
        first, second = (next(c.expression for c in columns if c.name == name) for name in ("path", "path2"))
        columns += resolved_columns(names, (first, second))
    source, rows = ("(SELECT 1) AS s", "FALSE") if parquet is None else (f"{parquet_source(parquet)} AS s", "TRUE")
    view = View("main", table.name, table.comment, tuple(columns), source, rows)
    if table is schema.SIGNALS:
        return _with_texts(view)
    return _with_deferred(view, (_alike(), *request_columns(("s.path", "s.path2")))) if table is schema.URING else view


def _alike() -> ViewColumn:
    """The column ``syscall`` of the table uring."""
    alike = " ".join(f"WHEN {literal(op.name)} THEN {literal(op.call)}" for op in uring_ops().values() if op.call)
    comment = "system call that does the same as op; NULL: none does"
    return ViewColumn("syscall", "VARCHAR", comment, f"CASE s.op {alike} END", ())


def _with_texts(signals: View) -> View:
    """The view of the table signals with the columns that make text of the others."""
    texts = (
        ("name", "name of the signal, as SIGCHLD", "signal_name(s.signal)"),
        ("text", "the signal as strace -v writes it: --- SIGCHLD {si_signo=SIGCHLD, ...} ---", delivered()),
    )
    return _with_deferred(signals, [ViewColumn(name, "VARCHAR", comment, text, ()) for name, comment, text in texts])


def _with_deferred(view: View, deferred: Iterable[ViewColumn]) -> View:
    """``view`` with columns made of its own, which have them in the row ``s`` also where the trace lacks the table."""
    named = ", ".join(f"{c.expression} AS {identifier(c.name)}" for c in view.columns)
    columns = [replace(c, expression=f"s.{identifier(c.name)}") for c in view.columns]
    source = f"(SELECT {named} FROM {view.source} WHERE {view.where}) AS s"  # noqa: S608 - our own views
    return replace(view, columns=(*columns, *deferred), source=source, where="TRUE")


def recorded_syscalls(counts: dict[str, int]) -> list[str]:
    """The system calls in a trace, from the counts of its manifest. What is not the name of a call is left out."""
    return sorted(name for name, rows in counts.items() if rows > 0 and is_syscall(name))


def is_syscall(name: str) -> bool:
    """Whether a trace can have calls of this name."""
    return name in syscalls() or _UNKNOWN.fullmatch(name) is not None


def syscall_view(name: str, names: NamedCalls, *, has_data: bool = True) -> View:
    """The view ``sys.NAME`` of one system call, with its arguments by name and C type.

    It has only calls of the native ABI, because others can have their arguments in other places. ``names``: where the
    view of all calls has their names from. Contents have columns if the trace ``has_data``.
    """
    call = syscalls().get(name)
    common = {c.name: c for c in (*schema.SYSCALLS.columns, _TS)}
    columns = [_common(common[n]) for n in _BEFORE_ARGUMENTS]
    if call is None or call.arguments is None:
        columns += [_common(common[f"arg{i}"]) for i in range(6)]
    else:
        for argument in call.arguments:
            columns += (c for c in _argument_columns(argument, call) if has_data or not _is_contents(c))
    taken = {c.name for c in columns}
    for column in (_common(common[n]) for n in _AFTER_ARGUMENTS if n not in taken):
        text = return_text(call) if call and column.name == "ret" else None
        columns += [column, *([_text(column, "result", text)] if text else [])]
    columns += columns_of_calls(names, len(uses(name)) if call else 0)
    whole, joins = call_text(call, name)
    columns.append(ViewColumn("call_text", "VARCHAR", "the whole call, as strace -v writes it", whole, joins))
    where = f"s.syscall = {literal(name)} AND s.abi = 'x86_64'"
    comment = f"Calls of {name}, with named arguments."
    return View(SYS_SCHEMA, name, comment, tuple(columns), "main.syscalls AS s", where, reads=("syscalls",))


def _is_contents(column: ViewColumn) -> bool:
    joins = column.joins or ()
    return bool(joins) and {table for join in joins for table in join.tables} == {schema.DATA.name}


def _argument_columns(argument: Argument, call: Syscall) -> Iterator[ViewColumn]:
    """The columns of an argument: its value, its text, and what was copied from where it points."""
    copies = capture_columns(call, argument)
    column = _argument(argument, call)
    stands_in = [copy for copy in copies if copy.name == column.name]
    if stands_in and stands_in[0].sql_type != "VARCHAR":
        column = replace(column, name=f"arg_{column.name}")
        stands_in = []
    # A string replaces its pointer, as a path does.
    yield from stands_in or [column]
    copies = [copy for copy in copies if copy not in stands_in]
    decoded = argument_text(call, argument)
    if decoded and decoded[1]:
        comment = f"{argument.name}: what it points at as strace -v writes it; the address where nothing was copied"
        yield ViewColumn(f"{argument.name}_text", "VARCHAR", comment, *decoded)
    elif decoded:
        yield _text(column, "argument", decoded[0])
    yield from copies


def _text(column: ViewColumn, what: str, expression: str) -> ViewColumn:
    comment = f"{column.name} as text: the {what} read by {expression.partition('(')[0]}"
    return ViewColumn(f"{column.name}_text", "VARCHAR", comment, expression, ())


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
    kind = ULONG if argument.is_pointer else argument_type(argument.ctype)
    return ViewColumn(f"arg_{name}" if taken else name, kind.sql_type, declared, kind.cast(f"s.arg{argument.index}"))


def execs_view(calls: str) -> View:
    """The view of the programs that were executed. ``calls`` is the SQL of those calls, with their arguments as
    ``argv``.
    """
    common = {c.name: c for c in (*schema.SYSCALLS.columns, _TS)}
    columns = [_common(common[n]) for n in ("event_id", "ts", "ts_ns", "duration_ns", "pid", "tid", "comm", "path")]
    argv = "arguments, quoted for a shell, ... for the rest that is missing; NULL: they were not read"
    columns.append(ViewColumn("argv", "VARCHAR", argv, "s.argv"))
    columns += [_common(common[n]) for n in ("ret", "errno")]
    comment = "One row per execve and execveat, failed ones too (ret < 0)."
    return View("main", "execs", comment, tuple(columns), f"({calls}) AS s", reads=("syscalls", "exec_args"))


def functions_view() -> View:
    """The view of the SQL functions that make text of numbers."""
    listed = [(function.signature, function.comment) for function in functions().values()]
    listed.append((frames.SIGNATURE, frames.COMMENT))
    rows = ", ".join(map(literal, listed))
    columns = (
        ViewColumn(
            "function",
            "VARCHAR",
            "as it is called; value: any integer, raw or cast; selector: the argument that decides",
            "f.signature",
        ),
        ViewColumn("what", "VARCHAR", "what it makes text of", "f.what"),
    )
    source = f"(FROM (VALUES {rows}) AS v(signature, what) ORDER BY signature) AS f"
    return View("main", "functions", "The SQL functions that make text of numbers.", columns, source)
