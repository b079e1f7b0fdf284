"""The stack table for ``--stacks full``: snapshots unwound when the recording has ended, and which calls have them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.samples import Sample
from bpfrec.bpf.sideband import Mapping
from bpfrec.bpf.snapshots import Snapshot, snapshot_stream
from bpfrec.formats.numeric.grouping import rows_alike
from bpfrec.record.decode.text import status
from bpfrec.record.processes.history import AddressSpace, History
from bpfrec.record.spool import read_whole
from bpfrec.record.stacks.frames import (
    INTERRUPTED,
    SOURCES,
    JitEntries,
    Stack,
    StackRows,
    frame_rows,
    jit_entries,
    look_up,
    within,
)
from bpfrec.record.stacks.modules import Modules, may_hold_jit_code
from bpfrec.record.stacks.perf_map_files import PerfMaps
from bpfrec.record.stacks.shared_stacks import Groups, Place, are_where_seen, groups_of, inputs_hash, places_in
from bpfrec.record.stacks.stack_learner import read_learned
from bpfrec.record.stacks.stack_versions import StackVersions
from bpfrec.record.stacks.unwinding import MappedCode, UnwoundStack, unwind_snapshot

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
Files = tuple[Mapping, ...]

_log = logging.getLogger(__name__)

_MOST_CACHED = 1 << 15
_MOST_PROCESSES = 256
# A flag beside those of the wire: the mappings have changed since the snapshot.
_CHANGED = 1 << 15


@dataclass(frozen=True, slots=True)
class _CachedStack:
    """A stack that was unwound once: snapshots that agree in all it depends on need not be unwound again.

    ``inputs_hash`` and ``groups``: of :mod:`.shared_stacks`. ``bytes``: how much stack the snapshot had, if that
    decided how unwinding ended; else 0.
    """

    stack: int
    inputs_hash: int
    groups: Groups | None
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
    """All snapshots in order of their numbers, by column.

    ``stack``: index of the stack; ``epoch``: index of the mappings (:meth:`.History.mapping_lookup`); ``proven``: the
    BPF program recognised its stack by what unwinding depends on.
    """

    number: Words
    pid: Integers
    stack: Integers
    epoch: Integers
    proven: NDArray[np.bool_]


class UnwoundStacks:
    """A :class:`.StackTable`. Call :meth:`read` first, once."""

    def __init__(self, history: History, modules: Modules, maps: PerfMaps) -> None:
        self._history, self._modules, self._maps = history, modules, maps
        self._epochs = history.mapping_lookup()
        self._stacks: list[Stack] = []
        self._distinct: dict[Stack, int] = {}
        self._cache: dict[tuple[int, ...], list[_CachedStack]] = {}
        self._cached = 0
        self._code: dict[tuple[int, int], MappedCode] = {}
        self._same_mappings: dict[tuple[int, int], bool] = {}
        self._groups: dict[int, Groups] = {}
        self._shifted: dict[tuple[int, int, int, int], int] = {}
        self._places: dict[tuple[int, int, Files], dict[Mapping, Place] | None] = {}
        self._jit: JitEntries = {}
        self._versions = StackVersions(self._stacks, self._jit)
        self._named = 0
        self._ids = np.empty(0, np.int64)
        self._count = 0
        nothing = np.empty(0, np.int64)
        self._snapshots = _Snapshots(nothing.view(np.uint64), nothing, nothing, nothing, nothing.astype(bool))

    def read(self, spool: Path, learned_spool: Path, report: Callable[[float], None]) -> None:
        """Unwinds the snapshots in ``spool``; ``report`` gets the share that is done, 0 to 1.

        ``learned_spool``: what the BPF program recognised stacks by, rows of :data:`.LEARNED`.
        """
        learned = read_learned(learned_spool)
        learnt = set(learned["snapshot"].tolist())
        tables: list[Words] = []
        epochs: list[Integers] = []
        owners: list[Integers] = []
        for snapshots in read_whole(spool, snapshot_stream(), report):
            pids, times = (np.array([s[i] for s in snapshots], np.int64) for i in (2, 1))
            epochs.append(self._epochs.lookup(pids, times))
            owners.append(pids)
            unwound = [self._unwound(s, epoch) for s, epoch in zip(snapshots, epochs[-1].tolist(), strict=True)]
            rows = [(s.number, found.stack, found.inputs_hash) for s, found in zip(snapshots, unwound, strict=True)]
            self._groups |= {
                s.number: found.groups
                for s, found in zip(snapshots, unwound, strict=True)
                if found.groups is not None and s.number in learnt
            }
            tables.append(np.array(rows, np.uint64))
        self._cache.clear()
        self._code.clear()
        self._name_jit_code()
        if not tables:
            return
        table = np.concatenate(tables)
        order = np.argsort(table[:, 0], kind="stable")
        table = table[order]
        stack, epoch = table[:, 1].astype(np.int64), np.concatenate(epochs)[order]
        proven = _proven(table, learned)
        self._snapshots = _Snapshots(table[:, 0].copy(), np.concatenate(owners)[order], stack, epoch, proven)
        _log.info("%d snapshots unwound: %d stacks, %d known", len(table), len(self._stacks), np.count_nonzero(proven))

    def columns(self, records: wire.Records) -> tuple[pa.Array, pa.Array]:
        """The columns ``stack_id`` and ``stack_status`` of the calls in ``records``."""
        calls = records.calls
        which = np.flatnonzero(records.extras["kind"] == wire.KIND_PATH)
        owners = records.extra_owner[which]
        flags = records.extras["flags"][which].astype(np.int64)
        words = records.data.view("<u8")
        numbers = words[records.extra_data[which] // 8]
        at = np.searchsorted(self._snapshots.number, numbers)
        here = at < len(self._snapshots.number)
        here[here] = self._snapshots.number[at[here]] == numbers[here]
        sure = here.copy()
        recognised = np.flatnonzero(here & ((flags & wire.PATH_KNOWN) != 0))
        found = np.full(len(at), -1, np.int64)
        found[here] = self._snapshots.stack[at[here]]
        found[recognised] = self._recognised(
            calls, owners[recognised], at[recognised], words[records.extra_data[which[recognised]] // 8 + 1]
        )
        sure &= found >= 0
        ids = np.full(len(calls), -1, np.int64)
        stacks = self._versions.at(found[sure], calls.ts[owners[sure]])
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
        return self._count

    def add_samples(self, samples: Sequence[Sample]) -> Integers:
        """Unwinds ``samples``, which hold copies of their stacks; the handles are indexes of stacks."""
        snapshots = [Snapshot(s.number, s.time, s.pid, s.tid, s.registers, s.user, below=s.below) for s in samples]
        pids, times = (np.array([s[i] for s in snapshots], np.uint64).view(np.int64) for i in (2, 1))
        epochs = self._epochs.lookup(pids, times).tolist()
        found = [self._unwound(s, epoch, in_call=False).stack for s, epoch in zip(snapshots, epochs, strict=True)]
        return np.array(found, np.int64)

    def sample_ids(self, handles: Integers, times: Integers) -> Integers:
        """The ``stack_id`` of all samples, taken at ``times``: by now it is known which JIT code needs names."""
        self._name_jit_code()
        return self._stack_ids(self._versions.at(handles, times))

    def look_up(self) -> None:
        """Finds functions and source lines of all stacks: :meth:`resolve` has less to do then."""
        look_up(self._stacks, self._modules)

    def resolve(self) -> Iterator[StackRows]:
        """The rows for all stacks that have an id, with their functions, some at a time."""
        order = np.argsort(self._ids, kind="stable")
        used = order[self._ids[order] >= 0].tolist()
        return frame_rows([self._stacks[number] for number in used], self._modules, self._maps, self._jit)

    def _name_jit_code(self) -> None:
        """Finds names for the JIT code in stacks that are new since the last time, and makes versions of those."""
        self._jit.update(jit_entries(self._stacks[self._named :], self._maps, self._jit))
        self._versions.divide(self._named)
        self._named = len(self._stacks)
        self._ids = np.concatenate([self._ids, np.full(len(self._stacks) - len(self._ids), -1, np.int64)])

    def _unwound(self, snapshot: Snapshot, epoch: int, *, in_call: bool = True) -> _CachedStack:
        key = (snapshot.pid, epoch, snapshot.registers[0], snapshot.registers[1], snapshot.below, in_call)
        for cached in self._cache.get(key, ()):
            if cached.is_of(snapshot):
                return cached
        code = self._mapped_code(snapshot.pid, epoch, snapshot.time)
        unwound = unwind_snapshot(snapshot, code, in_call=in_call)
        sp = snapshot.registers[1]
        groups = groups_of(snapshot, unwound, code.mapping) if in_call and unwound.is_recognisable else None
        found = _CachedStack(
            self._stack(snapshot, epoch, unwound),
            inputs_hash(unwound, groups),
            groups,
            len(snapshot.stack) if unwound.status == "stack-truncated" else 0,
            tuple((number, snapshot.registers[number]) for number in sorted(unwound.registers)),
            tuple((address - sp, word) for address, word in unwound.words.items()),
        )
        # The mappings are the same, so what was read decides how unwinding ends, whichever way that is. Where more was
        # looked at, another snapshot that agrees in what was read may have been unwound further by the learner.
        if unwound.reads_words_only and not unwound.is_searched and unwound.status != "unreadable":
            if self._cached >= _MOST_CACHED:
                self._cache.clear()
                self._cached = 0
            self._cache.setdefault(key, []).append(found)
            self._cached += 1
        return found

    def _mapped_code(self, pid: int, epoch: int, when: int) -> MappedCode:
        code = self._code.get((pid, epoch))
        if code is None:
            if len(self._code) >= _MOST_PROCESSES:
                self._code.clear()
            space = self._history.address_space_at(pid, when)

            def find(address: int) -> Mapping | None:
                return space.find(address, when) if space else None

            def mappings() -> list[Mapping]:
                return [m for m in space.mappings if m.time <= when] if space else []

            code = self._code[pid, epoch] = MappedCode(find, self._modules, mappings)
        return code

    def _stack(self, snapshot: Snapshot, epoch: int, unwound: UnwoundStack) -> int:
        """The index of the stack in ``self._stacks``, to which it is added if it is new."""
        code = self._mapped_code(snapshot.pid, epoch, snapshot.time)
        mappings: list[Mapping] = []
        for frame in unwound.frames:
            mapping = code.mapping(within(frame.ip, not frame.is_return))
            if mapping is None:
                break
            mappings.append(mapping)
        frames = unwound.frames[: len(mappings)]
        ips = tuple(frame.ip for frame in frames)
        sources = bytes(SOURCES.index(frame.source) | (0 if frame.is_return else INTERRUPTED) for frame in frames)
        identity = Stack(snapshot.pid, 0, ips, sources, tuple(mappings), unwound.status)
        number = self._distinct.setdefault(identity, len(self._stacks))
        if number == len(self._stacks):
            self._stacks.append(Stack(snapshot.pid, snapshot.time, ips, sources, identity.mappings, unwound.status))
        return number

    def _recognised(self, calls: wire.Calls, owners: Integers, at: Integers, mixed: Words) -> Integers:
        """The indexes of the stacks of calls that the BPF program recognised; -1 where the mappings do not bear it out.

        ``at``: rows of the snapshots. ``mixed``: how far the files are from where they were then.
        """
        snapshots = self._snapshots
        times, pids = calls.ts[owners], calls.pid[owners].astype(np.int64)
        epochs = self._epochs.lookup(pids, times)
        found = np.where(snapshots.proven[at], snapshots.stack[at], -1)
        elsewhere = (snapshots.pid[at] != pids) | (mixed != 0)
        rows = np.flatnonzero((found >= 0) & (elsewhere | (epochs != snapshots.epoch[at])))
        first, group = rows_alike([column[rows] for column in (at, pids, epochs, mixed.view(np.int64))])
        stacks = np.empty(len(first), np.int64)
        for number, call in enumerate(rows[first].tolist()):
            number_of = self._elsewhere if elsewhere[call] else self._still_there
            stacks[number] = number_of(
                int(at[call]), int(pids[call]), int(epochs[call]), int(mixed[call]), int(times[call])
            )
        found[rows] = stacks[group]
        if len(self._stacks) > self._named:
            self._name_jit_code()
        return found

    def _still_there(self, row: int, _pid: int, epoch: int, _mixed: int, when: int) -> int:
        """The stack of the snapshot at ``row`` if its process still has the same mappings; else -1."""
        stack = int(self._snapshots.stack[row])
        if (stack, epoch) not in self._same_mappings:
            self._same_mappings[stack, epoch] = self._has_same_mappings(self._stacks[stack], when)
        return stack if self._same_mappings[stack, epoch] else -1

    def _elsewhere(self, row: int, pid: int, epoch: int, mixed: int, when: int) -> int:
        """The stack that the process ``pid`` has where another had that of the snapshot at ``row``; -1: it has not."""
        stack = int(self._snapshots.stack[row])
        key = (stack, pid, epoch, mixed)
        if key not in self._shifted:
            groups = self._groups.get(int(self._snapshots.number[row]))
            space = self._history.address_space_at(pid, when)
            found = self._stacks[stack]
            made = self._shift(found, groups.files, space, pid, epoch, when, mixed) if groups and space else None
            if made is None:
                self._shifted[key] = -1
            else:
                self._shifted[key] = self._distinct.setdefault(replace(made, ts=0), len(self._stacks))
                if self._shifted[key] == len(self._stacks):
                    self._stacks.append(made)
        return self._shifted[key]

    def _shift(
        self, stack: Stack, files: Files, space: AddressSpace, pid: int, epoch: int, when: int, mixed: int
    ) -> Stack | None:
        key = (pid, epoch, files)
        if key not in self._places:
            self._places[key] = places_in(files, space, when, self._modules.build_id)
        places = self._places[key]
        if places is None or not are_where_seen(places, mixed):
            return None
        ips: list[int] = []
        mappings: list[Mapping] = []
        for ip, source, mapping in zip(stack.ips, stack.sources, stack.mappings, strict=True):
            place = places.get(mapping)
            if place is None:
                return None
            address = within(ip + place.shift, bool(source & INTERRUPTED))
            now = place.mapping
            if not now.start <= address < now.end or (place.is_covered and space.find(address, when) is not now):
                return None
            ips.append(ip + place.shift)
            mappings.append(now)
        return Stack(pid, when, tuple(ips), stack.sources, tuple(mappings), stack.status)

    def _has_same_mappings(self, stack: Stack, when: int) -> bool:
        space = self._history.address_space_at(stack.pid, when)
        for ip, source, mapping in zip(stack.ips, stack.sources, stack.mappings, strict=True):
            now = space.find(within(ip, bool(source & INTERRUPTED)), when) if space else None
            if now is None or not _is_same_code(now, mapping):
                return False
        return True

    def _stack_ids(self, stacks: Integers) -> Integers:
        new = np.unique(stacks[self._ids[stacks] < 0])
        self._ids[new] = np.arange(self._count, self._count + len(new))
        self._count += len(new)
        return self._ids[stacks]


def _is_same_code(now: Mapping, before: Mapping) -> bool:
    """Whether two mappings are of the same code; a runtime maps more memory for JIT code beside what it has."""
    if now._replace(time=0) == before._replace(time=0):
        return True
    return may_hold_jit_code(now) and may_hold_jit_code(before)


def _proven(table: Words, learned: NDArray[np.void]) -> NDArray[np.bool_]:
    """For each row (number, stack, inputs hash): whether the BPF program compares what unwinding read this time."""
    proven = np.zeros(len(table), bool)
    at = np.searchsorted(table[:, 0], learned["snapshot"])
    at[at == len(table)] = 0
    same = (table[at, 0] == learned["snapshot"]) & (table[at, 2] == learned["inputs_hash"])
    proven[at[same]] = True
    return proven
