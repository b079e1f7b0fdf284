"""Which table of descriptors, and which working directory and root, a process has at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bpfrec.analyze.names.callers import caller, numbers, pid_of, tid_of
from bpfrec.analyze.names.kinds import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_THREAD,
    CLOSE_RANGE_UNSHARE,
)
from bpfrec.analyze.names.reasons import NONE, SHARING_UNKNOWN
from bpfrec.analyze.names.thread_tables import ThreadTables, thread_tables
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.numeric.asof import FOREVER, AsOf, Booleans, Integers

_EXECUTING = calls_that("executes")


def flags(table: pa.Table, name: str) -> Booleans:
    """A column of booleans, false where it is NULL."""
    return np.asarray(table[name].combine_chunks().fill_null(False).to_numpy(zero_copy_only=False), bool)


@dataclass(frozen=True)
class Tables:
    """Two tables for each process: of its descriptors (even numbers), of its working directory and root (odd).

    Behind them stand those of threads that do not have their process's. A table is born at :attr:`born` as a copy of
    that of :attr:`parent`, -1 where the trace has none; before, the process has its parent's. ``refused``: why nothing
    can be said of what it inherited. ``snapshot``: when it was read. ``split``: from when on threads that are not known
    may have tables of their own.
    """

    pid: Integers
    parent: Integers
    born: Integers
    begun: Integers
    snapshot: Integers
    refused: Integers
    split: Integers
    _lives: AsOf
    _threads: AsOf
    _thread_pid: Integers
    _thread_table: Integers

    def of(self, callers: Integers, directories: Booleans, times: Integers) -> Integers:
        """The table of each thread (:mod:`.callers`) at each time; -1 where the trace does not know its process."""
        pids = pid_of(callers)
        position = self._lives.last(pids, times)
        if not len(self._lives.order):
            return np.full(len(pids), -1)
        table = np.where(position >= 0, 2 * self._lives.order[np.maximum(position, 0)] + directories, -1)
        if len(self._threads.order):
            at = self._threads.last(tid_of(callers) << 1 | directories, times)
            entry = self._threads.order[np.maximum(at, 0)]
            own = (at >= 0) & (self._thread_pid[entry] == pids)
            table[own] = self._thread_table[entry[own]]
        while (shared := (table >= 0) & (times < self.born[table]) & (self.parent[table] >= 0)).any():
            table[shared] = self.parent[table[shared]]
        return table


def tables_of(
    processes: pa.Table,
    forks: pa.Table,
    breaks: pa.Table,
    forks_recorded: bool,
    refusal: int,
    threads: pa.Table,
    apart: pa.Table,
) -> Tables:
    """The tables of ``processes``; ``refusal``: the reason where calls that make processes were not recorded.

    ``threads``, ``apart``: rows of ``threads.sql`` and of ``thread_tables.sql``.
    """
    pid, start = numbers(processes, "pid", -1), numbers(processes, "start", -FOREVER)
    lives = AsOf(pid, start)
    mother = lives.last(numbers(processes, "ppid", -1), start)
    mother = np.where((mother >= 0) & (start > -FOREVER), lives.order[np.maximum(mother, 0)] if len(pid) else -1, -1)
    mother[mother == np.arange(len(pid))] = -1
    made_with = numbers(forks, "flags", -1)
    makes_processes = np.flatnonzero((made_with < 0) | (made_with & CLONE_THREAD == 0))
    shares, known, call = _fork_flags(forks.take(pa.array(makes_processes)), pid, mother, start)
    own = thread_tables(2 * len(pid), lives, threads, apart, forks, breaks)
    split = np.full(2 * len(pid), FOREVER)
    born, refused = np.repeat(start, 2), np.full(2 * len(pid), NONE)
    refused[np.repeat((mother >= 0) & ~known, 2)] = SHARING_UNKNOWN if forks_recorded else refusal
    inherited: dict[int, int] = {}
    for side, flag in ((0, CLONE_FILES), (1, CLONE_FS)):
        breaking = _unsharing(breaks, flag)
        for life in np.flatnonzero(known & (shares & flag != 0)).tolist():
            born[2 * life + side] = _parting(breaking, pid[life], pid[mother[life]], start[life])
        for sharer, which, table in own.shared:
            at = int(lives.last(np.array([sharer]), np.array([0]))[0])
            if which == side and at >= 0:
                life = int(lives.order[at])
                other = int(pid[table // 2]) if table < own.first else own.pid[table - own.first]
                born[2 * life + side] = _parting(breaking, sharer, other, -FOREVER)
                inherited[2 * life + side] = table
    for table, when in own.split.items():
        if table >= 0:
            split[table] = when
    parent = np.where(np.repeat(mother, 2) >= 0, np.repeat(mother, 2) * 2 + np.tile([0, 1], len(pid)), -1)
    parent[list(inherited)] = list(inherited.values())
    tables = _with_threads(
        own, pid, start, parent, born, refused, split, numbers(processes, "snapshot", FOREVER), lives
    )
    if own.any:
        # A child has a copy of the tables of the thread that made it.
        makers = np.flatnonzero(known)
        calls = makes_processes[call[makers]]
        tid, entered = numbers(forks, "tid", -1)[calls], numbers(forks, "entered", 0)[calls]
        for side in (0, 1):
            maker = caller(pid[mother[makers]], tid)
            tables.parent[2 * makers + side] = tables.of(maker, np.full(len(makers), bool(side)), entered)
    return tables


def _parting(breaking: AsOf, one: int, other: int, after: int) -> int:
    """When the first of two processes stops sharing with the other."""
    both = breaking.next(np.array([one, other]), np.repeat(after, 2))
    # Just before, for an exec closes descriptors in the table of its own.
    return min((int(breaking.times[at]) - 1 for at in both if at >= 0), default=FOREVER)


def _with_threads(
    own: ThreadTables,
    pid: Integers,
    start: Integers,
    parent: Integers,
    born: Integers,
    refused: Integers,
    split: Integers,
    snapshot: Integers,
    lives: AsOf,
) -> Tables:
    """The tables of processes, given by life or by table, and behind them those of threads."""

    def column(known: Integers, more: list[int]) -> Integers:
        return np.concatenate([known, np.array(more, np.int64)])

    entries = np.array(own.threads, np.int64).reshape(-1, 5)
    return Tables(
        pid=column(np.repeat(pid, 2), own.pid),
        parent=column(parent, own.parent),
        born=column(born, own.born),
        begun=column(np.repeat(start, 2), own.born),
        snapshot=column(np.repeat(snapshot, 2), own.snapshot),
        refused=column(refused, [NONE] * len(own.pid)),
        split=column(split, [FOREVER] * len(own.pid)),
        _lives=lives,
        _threads=AsOf(entries[:, 0] << 1 | entries[:, 1], entries[:, 2]),
        _thread_pid=entries[:, 3],
        _thread_table=entries[:, 4],
    )


def _fork_flags(
    forks: pa.Table, pid: Integers, mother: Integers, start: Integers
) -> tuple[Integers, Booleans, Integers]:
    """The flags with which each process was made, whether they are known, and by which row of ``forks`` it was.

    They are known where the call was under way when the process began.
    """
    entered, ended = numbers(forks, "entered", 0), numbers(forks, "ended", FOREVER)
    flags_of = numbers(forks, "flags", -1)
    calls = AsOf(numbers(forks, "pid", -1), entered)
    if not len(entered) or not len(pid):
        return np.zeros(len(pid), np.int64), np.zeros(len(pid), bool), np.zeros(len(pid), np.int64)
    position = calls.last(pid[mother], start)
    call = calls.order[np.maximum(position, 0)]
    known = (mother >= 0) & (position >= 0) & (ended[call] >= start) & (flags_of[call] >= 0)
    return np.where(known, flags_of[call], 0), known, call


def _unsharing(breaks: pa.Table, flag: int) -> AsOf:
    """When processes stopped sharing, by pid."""
    pid, ended = numbers(breaks, "pid", -1), numbers(breaks, "ended", FOREVER)
    name = np.array(breaks["syscall"].to_pylist(), object)
    asked = numbers(breaks, "arg0", 0) if len(pid) else np.zeros(0, np.int64)
    mask = flag if flag == CLONE_FILES else flag | CLONE_NEWNS
    ends = (name == "unshare") & (asked & mask != 0) & ~flags(breaks, "has_threads")
    if flag == CLONE_FILES:
        ends |= (name == "close_range") & (numbers(breaks, "arg2", 0) & CLOSE_RANGE_UNSHARE != 0)
        ends |= np.isin(name, _EXECUTING)
    return AsOf(pid[ends], ended[ends])
