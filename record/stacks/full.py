"""User stacks by unwind tables: snapshots walked when the recording is finished, calls joined to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.samples import Sample
from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot, snapshot_stream
from bpfrec.record.decode.text import status
from bpfrec.record.processes.history import History
from bpfrec.record.spool import read_whole
from bpfrec.record.stacks.callers import Callers, Executable, callers_of
from bpfrec.record.stacks.frames import INTERRUPTED, SOURCES, JitEntries, Row, Stack, frame_rows, jit_entries, within
from bpfrec.record.stacks.jit_versions import StackVersions
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.path_learner import read_learned
from bpfrec.record.stacks.perf_map_files import PerfMaps

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

_MOST_KNOWN = 1 << 15
_MOST_SPACES = 256
_CHANGED = 1 << 15


@dataclass(frozen=True, slots=True)
class _Known:
    """A stack that was walked: snapshots that agree in what it depended on need not be.

    ``bytes``: that were copied, where the walk came to their end; else 0.
    """

    stack: int
    dependence: int
    bytes: int
    registers: tuple[tuple[int, int], ...]
    words: tuple[tuple[int, int], ...]

    def is_of(self, snapshot: Snapshot) -> bool:
        if self.bytes and self.bytes != len(snapshot.stack):
            return False
        return all(snapshot.registers[number] == value for number, value in self.registers) and all(
            snapshot.word(at) == word for at, word in self.words
        )


@dataclass
class _Snapshots:
    """The snapshots that were found, in order of their numbers; ``epoch``: of the mappings of their process."""

    number: Words
    stack: Integers
    epoch: Integers
    proven: NDArray[np.bool_]


class PathTable:
    """The stacks of a recording: :meth:`read` first, then :meth:`columns` of its calls, then :meth:`resolve`."""

    def __init__(self, history: History, modules: Modules, maps: PerfMaps) -> None:
        self._history, self._modules, self._maps = history, modules, maps
        self._epochs = history.mapping_lookup()
        self._stacks: list[Stack] = []
        self._distinct: dict[Stack, int] = {}
        self._known: dict[tuple[int, ...], list[_Known]] = {}
        self._known_count = 0
        self._spaces: dict[tuple[int, int], Executable] = {}
        self._same: dict[tuple[int, int], bool] = {}
        self._jit: JitEntries = {}
        self._versions = StackVersions(self._stacks, self._jit)
        self._ids = np.empty(0, np.int64)
        self._rows = 0
        nothing = np.empty(0, np.int64)
        self._snapshots = _Snapshots(nothing.view(np.uint64), nothing, nothing, nothing.astype(bool))

    def read(self, spool: Path, learned_spool: Path, report: Callable[[float], None]) -> None:
        """Walks the snapshots in ``spool``; ``report`` gets the share done, 0 to 1.

        ``learned_spool``: what the learner told the BPF program, rows of :data:`LEARNED`.
        """
        learned = read_learned(learned_spool)
        tables: list[Words] = []
        epochs: list[Integers] = []
        for some in read_whole(spool, snapshot_stream(), report):
            pids, times = (np.array([s[i] for s in some], np.int64) for i in (2, 1))
            epochs.append(self._epochs.lookup(pids, times))
            walked = [self._walked(s, epoch) for s, epoch in zip(some, epochs[-1].tolist(), strict=True)]
            rows = [(s.number, known.stack, known.dependence) for s, known in zip(some, walked, strict=True)]
            tables.append(np.array(rows, np.uint64))
        self._known.clear()
        self._spaces.clear()
        self._jit = jit_entries(self._stacks, self._maps)
        self._versions = StackVersions(self._stacks, self._jit)
        self._ids = np.full(len(self._stacks), -1, np.int64)
        if not tables:
            return
        table = np.concatenate(tables)
        order = np.argsort(table[:, 0], kind="stable")
        table = table[order]
        stack, epoch = table[:, 1].astype(np.int64), np.concatenate(epochs)[order]
        self._snapshots = _Snapshots(table[:, 0].copy(), stack, epoch, _proven(table, learned))

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """``stack_id`` and ``stack_status`` of the calls in ``records``."""
        calls = records.calls
        which = np.flatnonzero(records.extras["kind"] == wire.KIND_PATH)
        owners = records.extra_owner[which]
        flags = records.extras["flags"][which].astype(np.int64)
        numbers = records.data.view("<u8")[records.extra_data[which] // 8]
        at = np.searchsorted(self._snapshots.number, numbers)
        here = at < len(self._snapshots.number)
        here[here] = self._snapshots.number[at[here]] == numbers[here]
        sure = here.copy()
        again = np.flatnonzero(here & ((flags & wire.PATH_KNOWN) != 0))
        sure[again] = self._still_same(calls, owners[again], at[again])
        ids = np.full(len(calls), -1, np.int64)
        stacks = self._versions.at(self._snapshots.stack[at[sure]], calls.ts[owners[sure]])
        ids[owners[sure]] = self._stack_ids(stacks)
        why = np.zeros(len(calls), np.int64)
        refused = flags & (wire.PATH_CAPPED | wire.PATH_32_BIT)
        why[owners[~sure]] = np.where(here, _CHANGED, np.where(refused, refused, wire.PATH_LOST))[~sure]
        reasons = ((wire.PATH_CAPPED, "capped"), (wire.PATH_32_BIT, "32-bit"), (_CHANGED, "changed"))
        column = status([(why == bit, name) for bit, name in (*reasons, (wire.PATH_LOST, "lost"))], len(calls))
        return pa.array(ids, mask=ids < 0), column

    @property
    def count(self) -> int:
        """How many stacks have an id so far."""
        return self._rows

    def sampled(self, samples: Sequence[Sample]) -> Integers:
        """``stack_id`` of the user stacks of ``samples``, which have copies of them."""
        snapshots = [Snapshot(s.number, s.time, s.pid, s.tid, s.registers, s.user, below=s.below) for s in samples]
        pids, times = (np.array([s[i] for s in snapshots], np.uint64).view(np.int64) for i in (2, 1))
        epochs = self._epochs.lookup(pids, times).tolist()
        found = [self._walked(s, epoch).stack for s, epoch in zip(snapshots, epochs, strict=True)]
        self._ids = np.concatenate([self._ids, np.full(len(self._stacks) - len(self._ids), -1, np.int64)])
        return self._stack_ids(np.array(found, np.int64))

    def resolve(
        self, _history: History, modules: Modules, maps: PerfMaps
    ) -> Iterator[tuple[list[Row], list[Row], list[Row]]]:
        """Rows for ``stacks``, ``frames`` and ``jit_symbols``, some stacks at a time."""
        order = np.argsort(self._ids, kind="stable")
        used = order[self._ids[order] >= 0].tolist()
        return frame_rows([self._stacks[number] for number in used], modules, maps, self._jit)

    def _walked(self, snapshot: Snapshot, epoch: int) -> _Known:
        key = (snapshot.pid, epoch, snapshot.registers[0], snapshot.registers[1], snapshot.below)
        for known in self._known.get(key, ()):
            if known.is_of(snapshot):
                return known
        callers = callers_of(snapshot, self._executable(snapshot.pid, epoch, snapshot.time))
        sp = snapshot.registers[1]
        known = _Known(
            self._stack(snapshot, epoch, callers),
            callers.dependence,
            len(snapshot.stack) if callers.status == "stack-truncated" else 0,
            tuple((number, snapshot.registers[number]) for number in sorted(callers.used)),
            tuple((address - sp, word) for address, word in callers.words.items()),
        )
        # The mappings are the same, so that what was read decides how the walk ends, whichever way that is.
        if callers.whole_words and callers.status != "unreadable":
            if self._known_count >= _MOST_KNOWN:
                self._known.clear()
                self._known_count = 0
            self._known.setdefault(key, []).append(known)
            self._known_count += 1
        return known

    def _executable(self, pid: int, epoch: int, when: int) -> Executable:
        known = self._spaces.get((pid, epoch))
        if known is None:
            if len(self._spaces) >= _MOST_SPACES:
                self._spaces.clear()
            space = self._history.space_at(pid, when)

            def find(address: int) -> Mapping | None:
                return space.find(address, when) if space else None

            known = self._spaces[pid, epoch] = Executable(find, self._modules)
        return known

    def _stack(self, snapshot: Snapshot, epoch: int, callers: Callers) -> int:
        executable = self._executable(snapshot.pid, epoch, snapshot.time)
        places: list[Mapping] = []
        for frame in callers.frames:
            place = executable.mapping(within(frame.ip, not frame.called))
            if place is None:
                break
            places.append(place)
        frames = callers.frames[: len(places)]
        ips = tuple(frame.ip for frame in frames)
        how = bytes(SOURCES.index(frame.source) | (0 if frame.called else INTERRUPTED) for frame in frames)
        identity = Stack(snapshot.pid, 0, ips, how, tuple(places), callers.status)
        number = self._distinct.setdefault(identity, len(self._stacks))
        if number == len(self._stacks):
            self._stacks.append(Stack(snapshot.pid, snapshot.time, ips, how, identity.places, callers.status))
        return number

    def _still_same(self, calls: wire.Calls, owners: Integers, at: Integers) -> NDArray[np.bool_]:
        """Whether calls that were told by a known path have its stack: the mappings may have changed meanwhile."""
        snapshots = self._snapshots
        stacks, times = snapshots.stack[at], calls.ts[owners]
        epochs = self._epochs.lookup(calls.pid[owners], times)
        same = snapshots.proven[at]
        for row in np.flatnonzero(same & (epochs != snapshots.epoch[at])).tolist():
            key = (int(stacks[row]), int(epochs[row]))
            if key not in self._same:
                self._same[key] = self._has_same_places(self._stacks[key[0]], int(times[row]))
            same[row] = self._same[key]
        return same

    def _has_same_places(self, stack: Stack, when: int) -> bool:
        space = self._history.space_at(stack.pid, when)
        for ip, how, place in zip(stack.ips, stack.how, stack.places, strict=True):
            now = space.find(within(ip, bool(how & INTERRUPTED)), when) if space else None
            if now is None or now._replace(time=0) != place._replace(time=0):
                return False
        return True

    def _stack_ids(self, stacks: Integers) -> Integers:
        new = np.unique(stacks[self._ids[stacks] < 0])
        self._ids[new] = np.arange(self._rows, self._rows + len(new))
        self._rows += len(new)
        return self._ids[stacks]


def _proven(table: Words, learned: NDArray[np.void]) -> NDArray[np.bool_]:
    """Of each row (number, stack, dependence): whether what the BPF program compared is what this walk depended on."""
    proven = np.zeros(len(table), bool)
    at = np.searchsorted(table[:, 0], learned["snapshot"])
    at[at == len(table)] = 0
    same = (table[at, 0] == learned["snapshot"]) & (table[at, 2] == learned["dependence"])
    proven[at[same]] = True
    return proven
