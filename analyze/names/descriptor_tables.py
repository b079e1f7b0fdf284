"""Which table of descriptors, and which working directory and root, a process has at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bpfrec.analyze.names.kinds import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWNS,
    CLOSE_RANGE_UNSHARE,
)
from bpfrec.analyze.names.reasons import NONE, SHARING_UNKNOWN
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.numeric.asof import FOREVER, AsOf, Booleans, Integers

_EXECUTING = calls_that("executes")


def numbers(table: pa.Table, name: str, null: int) -> Integers:
    """A column of integers, ``null`` where it is NULL."""
    # What takes all 64 bits of an argument becomes negative.
    column = table[name].combine_chunks().cast(pa.int64(), safe=False)
    filled: Integers = column.fill_null(null).to_numpy(zero_copy_only=False)
    return filled.copy()


def flags(table: pa.Table, name: str) -> Booleans:
    """A column of booleans, false where it is NULL."""
    return np.asarray(table[name].combine_chunks().fill_null(False).to_numpy(zero_copy_only=False), bool)


@dataclass(frozen=True)
class Tables:
    """Two tables for each process: of its descriptors (even numbers), of its working directory and root (odd).

    A table is born at :attr:`born` as a copy of that of :attr:`parent`, -1 where the trace has none; before, the
    process has its parent's. ``refused``: why nothing can be said of what it inherited. ``snapshot``: when it was
    read. ``split``: from when on its threads may have tables of their own.
    """

    pid: Integers
    parent: Integers
    born: Integers
    begun: Integers
    snapshot: Integers
    refused: Integers
    split: Integers
    _lives: AsOf

    def of(self, pids: Integers, directories: Booleans, times: Integers) -> Integers:
        """The table of each process at each time; -1 where the trace does not know the process."""
        position = self._lives.last(pids, times)
        if not len(self._lives.order):
            return np.full(len(pids), -1)
        table = np.where(position >= 0, 2 * self._lives.order[np.maximum(position, 0)] + directories, -1)
        while (shared := (table >= 0) & (times < self.born[table]) & (self.parent[table] >= 0)).any():
            table[shared] = self.parent[table[shared]]
        return table


def tables_of(processes: pa.Table, forks: pa.Table, breaks: pa.Table, forks_recorded: bool, refusal: int) -> Tables:
    """The tables of ``processes``; ``refusal``: the reason where calls that make processes were not recorded."""
    pid, start = numbers(processes, "pid", -1), numbers(processes, "start", -FOREVER)
    lives = AsOf(pid, start)
    mother = lives.last(numbers(processes, "ppid", -1), start)
    mother = np.where((mother >= 0) & (start > -FOREVER), lives.order[np.maximum(mother, 0)] if len(pid) else -1, -1)
    mother[mother == np.arange(len(pid))] = -1
    shares, known = _fork_flags(forks, pid, mother, start)
    split = np.full(2 * len(pid), FOREVER)
    born, refused = np.repeat(start, 2), np.full(2 * len(pid), NONE)
    refused[np.repeat((mother >= 0) & ~known, 2)] = SHARING_UNKNOWN if forks_recorded else refusal
    for side, flag in ((0, CLONE_FILES), (1, CLONE_FS)):
        ends, threaded = _unsharing(breaks, flag)
        breaking = AsOf(*ends)
        for life in np.flatnonzero(known & (shares & flag != 0)):
            both = breaking.next(np.array([pid[life], pid[mother[life]]]), np.repeat(start[life], 2))
            # Just before, for an exec closes descriptors in the table of its own.
            born[2 * life + side] = min((int(breaking.times[at]) - 1 for at in both if at >= 0), default=FOREVER)
        position = lives.last(*threaded)
        for at, when in zip(position[position >= 0], threaded[1][position >= 0], strict=True):
            table = 2 * lives.order[at] + side
            split[table] = min(split[table], when)
    parent = np.repeat(mother, 2) * 2 + np.tile([0, 1], len(pid))
    return Tables(
        pid=np.repeat(pid, 2),
        parent=np.where(np.repeat(mother, 2) >= 0, parent, -1),
        born=born,
        begun=np.repeat(start, 2),
        snapshot=np.repeat(numbers(processes, "snapshot", FOREVER), 2),
        refused=refused,
        split=split,
        _lives=lives,
    )


def _fork_flags(forks: pa.Table, pid: Integers, mother: Integers, start: Integers) -> tuple[Integers, Booleans]:
    """The flags with which each process was made, and whether they are known: the call that made it was under way."""
    entered, ended = numbers(forks, "entered", 0), numbers(forks, "ended", FOREVER)
    flags_of = numbers(forks, "flags", -1)
    calls = AsOf(numbers(forks, "pid", -1), entered)
    if not len(entered) or not len(pid):
        return np.zeros(len(pid), np.int64), np.zeros(len(pid), bool)
    position = calls.last(pid[mother], start)
    call = calls.order[np.maximum(position, 0)]
    known = (mother >= 0) & (position >= 0) & (ended[call] >= start) & (flags_of[call] >= 0)
    return np.where(known, flags_of[call], 0), known


def _unsharing(breaks: pa.Table, flag: int) -> tuple[tuple[Integers, Integers], tuple[Integers, Integers]]:
    """When processes stopped sharing: each, and those that did so in one thread of several."""
    pid, ended = numbers(breaks, "pid", -1), numbers(breaks, "ended", FOREVER)
    name = np.array(breaks["syscall"].to_pylist(), object)
    asked = numbers(breaks, "arg0", 0) if len(pid) else np.zeros(0, np.int64)
    mask = flag if flag == CLONE_FILES else flag | CLONE_NEWNS
    unshared = (name == "unshare") & (asked & mask != 0)
    if flag == CLONE_FILES:
        unshared |= (name == "close_range") & (numbers(breaks, "arg2", 0) & CLOSE_RANGE_UNSHARE != 0)
    ends = unshared | np.isin(name, _EXECUTING) if flag == CLONE_FILES else unshared
    alone = unshared & flags(breaks, "has_threads")
    return (pid[ends], ended[ends]), (pid[alone], ended[alone])
