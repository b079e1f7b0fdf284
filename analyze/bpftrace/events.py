"""The events that a script runs at: one query over the trace, in the order of time, with the columns it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.bpftrace.emitter import Column
from bpfrec.analyze.bpftrace.generate import EventClass
from bpfrec.analyze.bpftrace.memory import capture_of
from bpfrec.analyze.bpftrace.probes import Source
from bpfrec.analyze.bpftrace.tracepoints import traced_calls
from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.formats.kernel.captures import ELEMENTS, MOST_WORDS
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import syscalls

if TYPE_CHECKING:
    import pyarrow as pa

    from bpfrec.analyze.facade import Trace

_ROWS_AT_ONCE = 1 << 16
_FORKS = calls_that("forks")

_RENAMED = (
    "ASOF LEFT JOIN (SELECT tid, start_ns, comm FROM threads WHERE start_ns IS NOT NULL) AS renamed"
    " ON renamed.tid = e.tid AND renamed.start_ns <= e.t"
)
_PARENT = (
    "ASOF LEFT JOIN (SELECT pid, coalesce(start_ns, 0) AS start_ns, ppid FROM processes) AS born"
    " ON born.pid = e.pid AND born.start_ns <= e.t"
)


@dataclass
class _Part:
    """One kind of event: ``source`` is what stands behind FROM, with the row ``s``, ``t`` its time, ``where`` which."""

    time: str
    event: str
    phase: int
    source: str
    where: str


_PARTS = {
    Source.ENTER: _Part("s.ts_ns", "s.event_id", 0, "syscalls AS s", "s.entry_status IS NULL AND s.abi = 'x86_64'"),
    Source.RAW_ENTER: _Part("s.ts_ns", "s.event_id", 0, "syscalls AS s", "s.entry_status IS NULL"),
    Source.EXIT: _Part(
        "s.ts_ns + s.duration_ns",
        "s.event_id",
        1,
        "syscalls AS s",
        "s.duration_ns IS NOT NULL AND s.abi = 'x86_64'",
    ),
    Source.RAW_EXIT: _Part("s.ts_ns + s.duration_ns", "s.event_id", 1, "syscalls AS s", "s.duration_ns IS NOT NULL"),
    Source.SAMPLE: _Part("s.ts_ns", "-1", 2, "samples AS s", "TRUE"),
    Source.FORK: _Part(
        "coalesce(b.start_ns, s.ts_ns)",
        "s.event_id",
        0,
        "syscalls AS s LEFT JOIN (SELECT tid, min(start_ns) AS start_ns FROM threads WHERE start_ns IS NOT NULL"
        " GROUP BY tid) AS b ON b.tid = s.ret AND b.start_ns BETWEEN s.ts_ns AND s.ts_ns + s.duration_ns",
        f"s.ret > 0 AND s.syscall IN {literal(list(_FORKS))}",
    ),
    Source.EXEC: _Part(
        "s.ts_ns + s.duration_ns",
        "s.event_id",
        0,
        "syscalls AS s",
        "s.ret = 0 AND s.syscall IN ('execve', 'execveat')",
    ),
    Source.PROCESS_EXIT: _Part(
        "s.end_ns",
        "-1",
        2,
        "(SELECT t.*, p.uid FROM threads AS t LEFT JOIN processes AS p ON p.pid = t.pid AND p.end_ns >= t.end_ns"
        " AND coalesce(p.start_ns, 0) <= t.end_ns) AS s",
        "s.end_ns IS NOT NULL AND NOT EXISTS (SELECT 1 FROM threads AS n WHERE n.tid = s.tid"
        " AND n.start_ns = s.end_ns)",
    ),
}


_CHILDREN = _Part(
    "s.born_ns",
    "s.event_id",
    2,
    "(SELECT c.event_id, c.ts_ns, c.duration_ns, b.pid, b.tid, c.comm, c.uid, c.cpu, c.abi, c.nr, c.syscall, 0 AS ret,"
    " NULL AS stack_id, 'new thread' AS stack_status, b.start_ns AS born_ns FROM syscalls AS c"
    " JOIN (SELECT tid, any_value(pid) AS pid, min(start_ns) AS start_ns FROM threads WHERE start_ns IS NOT NULL"
    " GROUP BY tid) AS b ON b.tid = c.ret AND b.start_ns BETWEEN c.ts_ns AND c.ts_ns + c.duration_ns"
    " WHERE c.ret > 0 AND c.syscall IN ('clone', 'clone3', 'fork', 'vfork')) AS s",
    "s.abi = 'x86_64'",
)
"""A new thread returns from the call that made it, too, with 0."""


def events_sql(classes: Sequence[EventClass], columns: Sequence[Column]) -> str:
    """The query for the events of ``classes``, ordered by time: ``t``, ``k`` (the class), then ``columns``."""
    names = "".join(f", {identifier(column.variable)}" for column in columns)
    body = events_body(classes, columns)
    return f"SELECT t, k{names} FROM ({body}) ORDER BY t, event, phase, k"  # noqa: S608 - made of our own text


def events_body(classes: Sequence[EventClass], columns: Sequence[Column]) -> str:
    """The same, in no order, with ``event`` and ``phase`` by which those of one time are ordered."""
    parts = []
    by_source: dict[Source, list[EventClass]] = {}
    for event in classes:
        by_source.setdefault(event.source, []).append(event)
    for source, some in by_source.items():
        parts.append(_part_sql(source, some, columns, _PARTS[source]))
        forks = [event for event in some if source is Source.RAW_EXIT or set(event.calls) & set(_FORKS)]
        if source.is_exit and forks:
            parts.append(_part_sql(source, forks, columns, _CHILDREN))
    return " UNION ALL ".join(parts)


def _part_sql(source: Source, classes: list[EventClass], columns: Sequence[Column], part: _Part) -> str:
    where = [part.where]
    number = str(classes[0].number)
    if source in (Source.ENTER, Source.EXIT):
        every = sorted({call for event in classes for call in event.calls if call is not None})
        if set(every) != {call.name for call in traced_calls().values()}:
            where.append(f"s.syscall IN {literal(every)}")
        elif len(classes) == 1:
            where.append(f"s.syscall NOT LIKE 'unknown_%' AND s.syscall IN {literal(every)}")
        if len(classes) > 1:
            cases = " ".join(
                f"WHEN s.syscall IN {literal([call for call in event.calls if call])} THEN {event.number}"
                for event in classes[1:]
            )
            number = f"CASE {cases} ELSE {classes[0].number} END"
    calls = sorted({call for event in classes for call in event.calls if call is not None})
    joins: dict[str, None] = {}
    inner: list[str] = []
    outer: list[str] = []
    later: dict[str, None] = {}
    for column in columns:
        expression = column_sql(source, column, calls, joins)
        inner.append(f"{expression} AS {identifier(column.variable)}")
        shown = f"e.{identifier(column.variable)}"
        if column.kind == "comm" and source in (Source.EXIT, Source.RAW_EXIT, Source.EXEC):
            later[_RENAMED] = None
            shown = f"coalesce(renamed.comm, {shown}, '')"
        elif column.kind == "ppid":
            later[_PARENT] = None
            shown = "coalesce(born.ppid, 0)"
        outer.append(f"{shown} AS {identifier(column.variable)}")
    selected = "".join(f", {item}" for item in inner)
    query = (
        f"SELECT {part.time} AS t, {number} AS k, {part.event} AS event, {part.phase} AS phase{selected}"  # noqa: S608
        f" FROM {part.source} {' '.join(joins)} WHERE {' AND '.join(where)}"
    )
    if not later:
        return query
    query = query.replace(" AS phase", " AS phase, s.tid AS tid, s.pid AS pid", 1)
    shown = "".join(f", {item}" for item in outer)
    return f"SELECT e.t, e.k, e.event, e.phase{shown} FROM ({query}) AS e {' '.join(later)}"  # noqa: S608


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
        case "raw" if is_call:
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
        joins[
            f"LEFT JOIN (SELECT event_id, list(value ORDER BY position)"  # noqa: S608 - made of our own text
            f" FILTER (WHERE value IS NOT NULL) AS value"
            f" FROM exec_args WHERE arg = {index} GROUP BY event_id) AS list{index}"
            f" ON list{index}.event_id = s.event_id"
        ] = None
        return f"list{index}.value"
    return _memory_sql(kind, index, joins)


def _join(table: str, index: int) -> str:
    return (
        f"LEFT JOIN {table} AS {table}{index} ON {table}{index}.event_id = s.event_id AND {table}{index}.arg = {index}"
    )


def _memory_sql(kind: str, index: int, joins: dict[str, None]) -> str:
    if kind in ELEMENTS:
        row = f"arrays{index}"
        joins[
            f"LEFT JOIN (SELECT event_id, list({{'word0': word0, 'word1': word1}} ORDER BY position)"  # noqa: S608 - ours
            f" FILTER (WHERE status IS NULL) AS words, max(status) AS status FROM arrays WHERE arg = {index}"
            f" AND kind = {literal(kind)} AND phase = 'entry' GROUP BY event_id) AS {row}"
            f" ON {row}.event_id = s.event_id"
        ] = None
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


def batches(trace: Trace, sql: str) -> Iterator[list[list[Any]]]:
    """The columns of the query, some rows at a time, as lists of Python values."""
    relation = trace.sql(sql)
    # Older versions of DuckDB have it by another name.
    reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
    for batch in reader(_ROWS_AT_ONCE):
        yield [_values(column) for column in batch.columns]


def _values(column: pa.Array) -> list[Any]:
    import pyarrow as pa  # noqa: PLC0415

    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or column.type == pa.string_view():
        if column.type == pa.string_view():
            column = column.cast(pa.string())
        # Few distinct values are few objects: they cost less, and a dictionary finds them faster.
        encoded = column.dictionary_encode()
        texts = [*encoded.dictionary.to_pylist(), None]
        codes = encoded.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False).tolist()
        return [texts[code] for code in codes]
    if pa.types.is_integer(column.type) and not column.null_count:
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    listed: list[Any] = column.to_pylist()
    return listed
