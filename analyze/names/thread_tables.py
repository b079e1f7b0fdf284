"""Threads that do not have the descriptors, or the working directory and root, of their process.

A thread has a table of its own if it had one when it was read (``thread_tables``), if it stopped sharing (unshare,
close_range), or if it was made by such a thread, or without sharing. Sides: 0 descriptors, 1 working directory and
root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from bpfrec.analyze.names.callers import numbers
from bpfrec.analyze.names.kinds import CLONE_FILES, CLONE_FS, CLONE_NEWNS, CLONE_THREAD, CLOSE_RANGE_UNSHARE
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.numeric.asof import FOREVER, AsOf

FLAGS = (CLONE_FILES, CLONE_FS)
"""The flag that shares each side."""

_UNSHARES = (CLONE_FILES, CLONE_FS | CLONE_NEWNS)
_BIRTH, _UNSHARE, _EXEC = range(3)


@dataclass(frozen=True)
class _Event:
    """What can change the tables of ``tid`` of ``pid``; ``flags``: of clone or unshare; ``child``: the new thread."""

    time: int
    kind: int
    pid: int
    tid: int
    flags: int = 0
    child: int = -1


@dataclass
class ThreadTables:
    """Tables with numbers from ``first`` on, a member each in the lists ``pid``, ``parent``, ``born`` and ``snapshot``.

    ``threads``: (tid, side, time, pid, table): from when on a thread has which table. ``shared``: (pid, side, table):
    processes that had the table of another one when they were read. ``split``: by table of a process, from when on it
    is not known whether all of its threads have it.
    """

    first: int
    pid: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    born: list[int] = field(default_factory=list)
    snapshot: list[int] = field(default_factory=list)
    threads: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    shared: list[tuple[int, int, int]] = field(default_factory=list)
    split: dict[int, int] = field(default_factory=dict)
    _current: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(self, pid: int, parent: int, born: int, snapshot: int = FOREVER) -> int:
        """A new table: a copy of ``parent`` (-1: of none that is known) at ``born``."""
        self.pid.append(pid)
        self.parent.append(parent)
        self.born.append(born)
        self.snapshot.append(snapshot)
        return self.first + len(self.pid) - 1

    def give(self, pid: int, tid: int, side: int, time: int, table: int) -> None:
        """The thread ``tid`` has ``table`` from ``time`` on."""
        self._current[tid, side] = table
        self.threads.append((tid, side, time, pid, table))

    def own(self, tid: int, side: int) -> int | None:
        """The table that ``tid`` has now, if it is not that of its process."""
        return self._current.get((tid, side))

    @property
    def any(self) -> bool:
        """Whether a thread has another table than its process."""
        return bool(self._current)


def thread_tables(
    first: int, lives: AsOf, threads: pa.Table, found: pa.Table, forks: pa.Table, breaks: pa.Table
) -> ThreadTables:
    """The tables of threads; tables of processes are 2 * index of the life + side, below ``first``.

    ``threads``: pid and tid of those known; ``found``: rows of ``thread_tables.sql``.
    """
    tables = ThreadTables(first)
    events = [*_breaks(breaks), *_births(forks)]
    if not len(found) and not any(_splits(event) for event in events):
        return tables

    def of_process(pid: int, time: int) -> int:
        at = int(lives.last(np.array([pid]), np.array([time]))[0])
        return 2 * int(lives.order[at]) if at >= 0 else -1

    def table_of(pid: int, tid: int, side: int, time: int) -> int:
        own = tables.own(tid, side)
        process = of_process(pid, time)
        return own if own is not None else process + side if process >= 0 else -1

    _take_snapshot(tables, found, of_process)
    known = set(zip(threads["pid"].to_pylist(), threads["tid"].to_pylist(), strict=True))
    for event in sorted(events, key=lambda event: event.time):
        for side in (0, 1):
            before = table_of(event.pid, event.tid, side, event.time)
            if event.kind == _UNSHARE and event.flags & _UNSHARES[side]:
                tables.give(event.pid, event.tid, side, event.time, tables.add(event.pid, before, event.time))
            elif event.kind == _EXEC and tables.own(event.tid, side) != tables.own(event.pid, side):
                # The thread that executes a program becomes the main one, and the others end.
                tables.give(event.pid, event.pid, side, event.time, before)
            elif event.kind == _BIRTH:
                alone = not event.flags & FLAGS[side]
                if not alone and tables.own(event.tid, side) is None and tables.own(event.child, side) is None:
                    continue
                if (event.pid, event.child) not in known:
                    # In a pid namespace threads have other numbers, and which thread it is is not known.
                    process = of_process(event.pid, event.time) + side
                    tables.split[process] = min(event.time, tables.split.get(process, FOREVER))
                else:
                    table = tables.add(event.pid, before, event.time) if alone else before
                    tables.give(event.pid, event.child, side, event.time, table)
    return tables


def _take_snapshot(tables: ThreadTables, found: pa.Table, of_process: Callable[[int, int], int]) -> None:
    columns = [found[name].to_pylist() for name in ("pid", "tid", "files_tid", "directories_tid", "snapshot")]
    rows = list(zip(*columns, strict=True))
    for pid, tid, *holders, snapshot in rows:
        for side, holder in enumerate(holders):
            if holder == tid != pid:
                tables.give(pid, tid, side, -FOREVER, tables.add(pid, -1, -FOREVER, snapshot))
    for pid, tid, *holders, _snapshot in rows:
        for side, holder in enumerate(holders):
            if holder in (None, tid) or (holder == pid and tid != pid):
                continue
            process = of_process(holder, 0)
            table = tables.own(holder, side)
            if table is None and process >= 0:
                table = process + side
            if table is None:
                # What the other one does with it was not recorded.
                mine = of_process(pid, 0)
                if mine >= 0:
                    tables.split[mine + side] = -FOREVER
            elif tid == pid:
                tables.shared.append((pid, side, table))
            else:
                tables.give(pid, tid, side, -FOREVER, table)


def _splits(event: _Event) -> bool:
    return event.kind == _UNSHARE or (event.kind == _BIRTH and event.flags & (CLONE_FILES | CLONE_FS) != sum(FLAGS))


def _breaks(breaks: pa.Table) -> Iterator[_Event]:
    columns = [breaks[name].to_pylist() for name in ("syscall", "pid", "tid", "entered", "ended", "arg0", "arg2")]
    executing = calls_that("executes")
    for (name, pid, tid, entered, ended, asked, flags), threaded in zip(
        zip(*columns, strict=True), breaks["has_threads"].to_pylist(), strict=True
    ):
        # A damaged trace may lack any of these.
        if not threaded or pid is None or entered is None:
            continue
        if name == "unshare":
            yield _Event(entered if ended is None else ended, _UNSHARE, pid, tid, asked or 0)
        elif name == "close_range" and (flags or 0) & CLOSE_RANGE_UNSHARE:
            # What it closes it closes in the new table.
            yield _Event(entered, _UNSHARE, pid, tid, CLONE_FILES)
        elif name in executing:
            yield _Event(entered if ended is None else ended, _EXEC, pid, tid)


def _births(forks: pa.Table) -> Iterator[_Event]:
    """The threads that were made, not processes."""
    flags = numbers(forks, "flags", 0)
    rows = forks.take(pa.array(np.flatnonzero(flags & CLONE_THREAD)))
    names = ("pid", "tid", "entered", "flags", "child")
    for pid, tid, entered, made_with, child in zip(*(rows[name].to_pylist() for name in names), strict=True):
        if child and pid is not None and entered is not None:
            yield _Event(entered, _BIRTH, pid, tid, made_with, child)
