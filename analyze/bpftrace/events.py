"""The events that a script runs at: one query over the trace, in the order of time, with the columns it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bpfrec.analyze.bpftrace.emitter import Column
from bpfrec.analyze.bpftrace.event_columns import column_sql, part
from bpfrec.analyze.bpftrace.generate import EventClass
from bpfrec.analyze.bpftrace.probes import Source
from bpfrec.analyze.bpftrace.tracepoints import traced_calls
from bpfrec.analyze.engine.sqltemplate import identifier, literal
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import syscalls

FORKS = calls_that("forks")
"""Calls that make a thread, which returns from them, too."""


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
        part("forks"),
        f"s.ret > 0 AND s.syscall IN {literal(list(FORKS))}",
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
        part("ends"),
        "s.end_ns IS NOT NULL AND NOT EXISTS (SELECT 1 FROM threads AS n WHERE n.tid = s.tid"
        " AND n.start_ns = s.end_ns)",
    ),
}

_CHILDREN = _Part("s.born_ns", "s.event_id", 2, part("new_threads", forks=list(FORKS)), "s.abi = 'x86_64'")


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
        forks = [event for event in some if source is Source.RAW_EXIT or set(event.calls) & set(FORKS)]
        if source.is_exit and forks:
            parts.append(_part_sql(source, forks, columns, _CHILDREN))
    return " UNION ALL ".join(parts)


def _among(calls: Sequence[str]) -> str:
    """The condition that an event is of one of these calls; short where they are all that have tracepoints."""
    others = {name for name, call in syscalls().items() if "x86_64" in call.numbers} - set(calls)
    if others & {call.name for call in traced_calls().values()}:
        return f"s.syscall IN {literal(list(calls))}"
    known = f" AND s.syscall NOT IN {literal(sorted(others))}" if others else ""
    return f"NOT starts_with(s.syscall, 'unknown_'){known}"


def _part_sql(source: Source, classes: list[EventClass], columns: Sequence[Column], kind: _Part) -> str:
    where = [kind.where]
    number = str(classes[0].number)
    if source in (Source.ENTER, Source.EXIT):
        every = sorted({call for event in classes for call in event.calls if call is not None})
        where.append(_among(every))
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
        if column.kind == "comm" and kind in (_PARTS[Source.EXIT], _PARTS[Source.RAW_EXIT], _PARTS[Source.EXEC]):
            later[part("renamed")] = None
            # COALESCE would make a new string for every event.
            shown = f"CASE WHEN renamed.comm IS NULL THEN {shown} ELSE renamed.comm END"
        elif column.kind == "ppid":
            later[part("parent")] = None
            shown = "coalesce(born.ppid, 0)"
        outer.append(f"{shown} AS {identifier(column.variable)}")
    selected = "".join(f", {item}" for item in inner)
    query = (
        f"SELECT {kind.time} AS t, {number} AS k, {kind.event} AS event, {kind.phase} AS phase{selected}"  # noqa: S608
        f" FROM {kind.source} {' '.join(joins)} WHERE {' AND '.join(where)}"
    )
    if not later:
        return query
    query = query.replace(" AS phase", " AS phase, s.tid AS tid, s.pid AS pid", 1)
    shown = "".join(f", {item}" for item in outer)
    return f"SELECT e.t, e.k, e.event, e.phase{shown} FROM ({query}) AS e {' '.join(later)}"  # noqa: S608
