"""SQL for what an action reads of its event: a column of the query over the trace."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from bpfrec.analyze.bpftrace.emitter import Column
from bpfrec.analyze.bpftrace.memory import capture_of
from bpfrec.analyze.bpftrace.probes import Source
from bpfrec.analyze.engine.sqltemplate import literal, render_text
from bpfrec.formats.kernel.captures import ELEMENTS, MOST_WORDS
from bpfrec.formats.kernel.syscalls import syscalls


@cache
def _text(name: str) -> str:
    lines = files("bpfrec.analyze.bpftrace").joinpath("sql", f"{name}.sql").read_text("utf-8").splitlines()
    return " ".join(line.strip() for line in lines if not line.startswith("--"))


def part(name: str, **values: Any) -> str:
    """The SQL of ``sql/NAME.sql`` with ``values`` filled in, in one line and without its comments."""
    return render_text(_text(name), **values)


def column_sql(source: Source, column: Column, calls: Sequence[str], joins: dict[str, None]) -> str:
    """SQL for a column of events of one source; what has to be joined for it is added to ``joins``."""
    kind = column.kind
    if kind in ("field", "text", "status", "list", "memory"):
        return _field_sql(source, column, calls, joins)
    is_call = source in (Source.ENTER, Source.EXIT, Source.RAW_ENTER, Source.RAW_EXIT)
    match kind:
        case "pid":
            return "s.pid"
        case "tid":
            return "s.pid" if source is Source.EXEC else "s.tid"
        case "uid":
            return "coalesce(CAST(s.uid AS BIGINT) & 4294967295, 0)"
        case "comm":
            return "coalesce(s.comm, '')"
        case "cpu" if source not in (Source.FORK, Source.PROCESS_EXIT):
            return "s.cpu"
        case "call" if is_call:
            return "s.syscall"
        case "nr" if is_call:
            return "s.nr"
        case "ret" if source.is_exit:
            return "s.ret"
        case "raw" if source.is_entry:
            return f"coalesce(s.arg{column.name}, 0)"
        case "stack" if is_call or source is Source.SAMPLE:
            return "s.stack_id"
        case "stack_status" if is_call:
            return "s.stack_status"
        case "kstack" if source is Source.SAMPLE:
            return "s.kernel_stack_id"
        case "ppid":
            return "0"
        case "sched":
            return _sched_sql(source, column.name)
    return "NULL"


def _sched_sql(source: Source, name: str) -> str:
    texts = {
        (Source.FORK, "parent_comm"): "coalesce(s.comm, '')",
        (Source.FORK, "child_comm"): "coalesce(s.comm, '')",
        (Source.FORK, "parent_pid"): "s.tid",
        (Source.FORK, "child_pid"): "s.ret",
        (Source.EXEC, "filename"): "coalesce(s.path, '')",
        (Source.EXEC, "pid"): "s.pid",
        (Source.EXEC, "old_pid"): "s.tid",
        (Source.PROCESS_EXIT, "comm"): "coalesce(s.comm, '')",
        (Source.PROCESS_EXIT, "pid"): "s.tid",
    }
    return texts.get((source, name), "NULL")


def _field_sql(source: Source, column: Column, calls: Sequence[str], joins: dict[str, None]) -> str:
    """SQL for what has to do with an argument of that name, which stands elsewhere in each call."""
    if source is not Source.ENTER:
        return "NULL"
    found: dict[str, list[str]] = {}
    for call in calls:
        argument = syscalls()[call].argument(column.name)
        if argument is not None:
            found.setdefault(_argument_sql(column, call, argument.index, joins), []).append(call)
    if not found:
        return "NULL"
    if len(found) == 1 and sum(map(len, found.values())) == len(calls):
        return next(iter(found))
    cases = " ".join(f"WHEN s.syscall IN {literal(names)} THEN {sql}" for sql, names in found.items())
    return f"CASE {cases} END"


def _argument_sql(column: Column, call: str, index: int, joins: dict[str, None]) -> str:
    if column.kind == "field":
        return f"s.arg{index}"
    capture = capture_of(call, index)
    if capture is None or capture.kind != column.extra:
        return "NULL"
    kind = capture.kind
    if column.kind in ("text", "status"):
        suffix = "_status" if column.kind == "status" else ""
        if kind == "path":
            position = syscalls()[call].paths.index(index)
            return f"s.{('path', 'path2')[position]}{suffix}" if position < 2 else "NULL"
        joins[_join("strings", index)] = None
        missing = " ELSE 'not-captured' END" if suffix else ""
        value = f"strings{index}.{'status' if suffix else 'value'}"
        return f"CASE WHEN strings{index}.event_id IS NOT NULL THEN {value}{missing}" if missing else value
    if column.kind == "list":
        joins[part("strings_of_arguments", argument=index)] = None
        return f"list{index}.value"
    return _memory_sql(kind, index, joins)


def _join(table: str, index: int) -> str:
    return (
        f"LEFT JOIN {table} AS {table}{index} ON {table}{index}.event_id = s.event_id AND {table}{index}.arg = {index}"
    )


def _memory_sql(kind: str, index: int, joins: dict[str, None]) -> str:
    if kind in ELEMENTS:
        row = f"arrays{index}"
        joins[part("elements", argument=index, kind=kind)] = None
        return f"CASE WHEN {row}.event_id IS NOT NULL THEN {{'words': {row}.words, 'status': {row}.status}} END"
    table, parts = {
        "timespec": ("timespecs", ("tv_sec", "tv_nsec")),
        "sockaddr": ("sockaddrs", ("family", "address", "port", "extra")),
        "data": ("data", ("bytes",)),
    }.get(kind, ("structs", ()))
    row = f"{table}{index}"
    joins[_join(table, index)] = None
    if table == "structs":
        words = ", ".join(f"{row}.word{number}" for number in range(MOST_WORDS))
        made = f"'words': [{words}]"
    else:
        made = ", ".join(f"'{part}': {row}.{part}" for part in parts)
    return f"CASE WHEN {row}.event_id IS NOT NULL THEN {{{made}, 'status': {row}.status}} END"
