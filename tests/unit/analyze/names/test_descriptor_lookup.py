"""analyze/names/descriptor_lookup.py beside a model that goes through the changes one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.analyze.names.callers import callers
from bpfrec.analyze.names.coverage import Coverage, Losses
from bpfrec.analyze.names.descriptor_lookup import Changes, DescriptorLookup
from bpfrec.analyze.names.descriptor_tables import tables_of
from bpfrec.analyze.names.kinds import CLONE_FILES, CLOSED, NAMED, SAME
from bpfrec.analyze.names.reasons import NONE, NOT_OPEN

FIRST = 100
PROCESSES = st.integers(FIRST, FIRST + 4)
NUMBERS = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("open"), PROCESSES, NUMBERS, st.booleans()),
        st.tuples(st.just("close"), PROCESSES, NUMBERS),
        st.tuples(st.just("dup"), PROCESSES, NUMBERS, NUMBERS, st.booleans()),
        st.tuples(st.just("range"), PROCESSES, NUMBERS, NUMBERS, st.sampled_from([0, 4])),
        st.tuples(st.just("fork"), PROCESSES, st.booleans()),
        st.tuples(st.just("exec"), PROCESSES),
    ),
    max_size=25,
)


@dataclass
class Model:
    """Tables as dictionaries; what the rows of the trace would be is collected on the way."""

    tables: dict[int, dict[int, tuple[int, bool]]] = field(default_factory=lambda: {FIRST: {}})
    changes: list[dict[str, Any]] = field(default_factory=list)
    breaks: list[dict[str, Any]] = field(default_factory=list)
    forks: list[dict[str, Any]] = field(default_factory=list)
    processes: list[dict[str, Any]] = field(
        default_factory=lambda: [{"pid": FIRST, "ppid": 1, "start": None, "snapshot": 0}]
    )
    now: int = 0

    def change(self, kind: int, pid: int, fd: int, source: int = 0, close_on_exec: bool = False) -> int:
        at = self.now + (1 if kind == CLOSED else 4)
        row = {
            "event_id": len(self.changes),
            "kind": kind,
            "pid": pid,
            "fd": fd,
            "at": at,
            "source": source,
            "entered": self.now,
        }
        flags = {"close_on_exec": close_on_exec, "snapshot": False, "no_links": 0}
        self.changes.append(row | flags | {"reason": NOT_OPEN if kind == CLOSED else NONE, "text": -1})
        return len(self.changes) - 1

    def break_(self, pid: int, syscall: str, *args: int) -> None:
        numbers = {f"arg{place}": value for place, value in enumerate((*args, 0, 0, 0)[:3])}
        ended = self.now + 4
        self.breaks.append(
            {"pid": pid, "syscall": syscall, "entered": self.now, "ended": ended, "has_threads": False} | numbers
        )

    def step(self, what: str, pid: int, *how: Any) -> None:
        self.now += 10
        table = self.tables.get(pid)
        if table is None:
            return
        match what, how:
            case "open", (fd, close_on_exec):
                table[fd] = (self.change(NAMED, pid, fd, close_on_exec=close_on_exec), close_on_exec)
            case "close", (fd,):
                self.change(CLOSED, pid, fd)
                table.pop(fd, None)
            case "dup", (old, new, close_on_exec):
                if old in table:
                    self.change(SAME, pid, new, old, close_on_exec)
                    table[new] = (table[old][0], close_on_exec)
            case "range", (first, last, flags):
                self.break_(pid, "close_range", first, last, flags)
                for fd in [fd for fd in table if first <= fd <= last]:
                    if flags:
                        table[fd] = (table[fd][0], True)
                    else:
                        del table[fd]
            case "fork", (shared,):
                self._fork(pid, table, shared)
            case "exec", ():
                self.break_(pid, "execve")
                self.tables[pid] = {fd: holder for fd, holder in table.items() if not holder[1]}

    def _fork(self, pid: int, table: dict[int, tuple[int, bool]], shared: bool) -> None:
        child = FIRST + len(self.processes)
        self.forks.append({"pid": pid, "entered": self.now, "ended": self.now + 4, "flags": CLONE_FILES * shared})
        self.processes.append({"pid": child, "ppid": pid, "start": self.now + 2, "snapshot": None})
        # What three processes share and two of them leave is beyond what is followed.
        sharers = sum(other is table for other in self.tables.values())
        if shared and sharers > 1:
            self.forks[-1]["flags"], shared = 0, False
        self.tables[child] = table if shared else dict(table)

    def holders(self) -> DescriptorLookup:
        rows = pa.Table.from_pylist(sorted_rows(self.changes), schema=CHANGES)
        changes = Changes.of(rows.append_column("caller", pa.array(callers(rows))))
        breaks = pa.Table.from_pylist(self.breaks, schema=BREAKS)
        processes, forks = pa.Table.from_pylist(self.processes, PROCESS), pa.Table.from_pylist(self.forks, FORKS)
        losses = Losses(pa.table({name: pa.array([], pa.int64()) for name in ("pid", "first", "last")}))
        tables = tables_of(processes, forks, breaks, True, 0, THREADS.empty_table(), THREAD_TABLES.empty_table())
        return DescriptorLookup(changes, tables, breaks, losses, Coverage.of({}), RINGS.empty_table())


def sorted_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    return rows


def fields(numbers: str, flags: str = "", texts: str = "") -> pa.Schema:
    kinds = ((numbers, pa.int64()), (flags, pa.bool_()), (texts, pa.string()))
    return pa.schema([(name, kind) for names, kind in kinds for name in names.split()])


CHANGES = fields("event_id kind pid tid fd at source entered reason text no_links", "close_on_exec snapshot")
BREAKS = fields("pid tid entered ended arg0 arg1 arg2", "has_threads", "syscall")
RINGS = fields("pid at")
THREADS, THREAD_TABLES = fields("pid tid"), fields("pid tid files_tid directories_tid snapshot")
PROCESS, FORKS = fields("pid ppid start snapshot"), fields("pid tid entered ended flags child")


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_lookups_find_what_a_model_holds(steps: list[tuple[Any, ...]]) -> None:
    model = Model()
    asked: list[tuple[int, int, int]] = []
    held: list[int] = []
    for step in steps:
        model.step(*step)
        for pid, table in model.tables.items():
            for fd in range(5):
                asked.append((pid, fd, model.now + 6))
                held.append(table.get(fd, (-1, False))[0])
    if not asked:
        return
    holders = model.holders()
    origin, _ = holders.origins()
    found, reason = holders.find(*np.array(asked).T)
    made = np.where(found >= 0, origin[found] if len(origin) else -1, -1)
    assert made.tolist() == held
    assert set(reason[found < 0].tolist()) <= {NOT_OPEN}
