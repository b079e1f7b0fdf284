"""Unwinds new stacks during the recording, and makes the BPF program recognise them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.known_stacks import KnownStack, KnownStacks
from bpfrec.bpf.sideband import Comm, Event, Exit, Fork, Lost, Mapping
from bpfrec.bpf.snapshots import Key, Snapshot, snapshot_stream
from bpfrec.record.processes import procfs
from bpfrec.record.processes.history import BEFORE, AddressSpace, mapping_of
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.shared_stacks import groups_of, inputs_hash
from bpfrec.record.stacks.unwinding import MappedCode, unwind_snapshot

_log = logging.getLogger(__name__)

LEARNED = np.dtype([("snapshot", "<u8"), ("inputs_hash", "<u8")])
"""What is spooled of a known stack: its snapshot, and the hash (:func:`.inputs_hash`) of what is compared for it."""

# The share of the recorder's time that learning may take.
_TIME_SHARE = 0.5
# Unused time, in seconds, is kept up to this.
_MOST_SAVED = 0.2
# The rings are not drained while stacks are learned: seconds that this may last.
_LONGEST_TURN = 0.02
_MOST_WAITING = 512
_MOST_PROCESSES = 256
_EVICTED = 256
_WORD = 8


def read_learned(spool: Path) -> NDArray[np.void]:
    """The rows of :data:`LEARNED` in the file ``spool``; leaves out a row that is cut off at its end."""
    data = spool.read_bytes()
    return np.frombuffer(data, LEARNED, len(data) // LEARNED.itemsize)


class StackLearner:
    """Gets snapshots by :meth:`take`, as they come out of the rings, and learns from them in :meth:`work`.

    ``is_carried``: the recording has legs, and :meth:`carried` is called when one begins.
    """

    def __init__(self, known: KnownStacks, modules: Modules, *, is_carried: bool = False) -> None:
        self._known, self._modules = known, modules
        self._hashes: dict[int, int] = {}
        # When processes ended, or executed another program, of late.
        self._is_carried, self._gone = is_carried, dict[int, int]()
        self._since = self._last_carried = 0
        self._stream = snapshot_stream(self._is_first)
        self._waiting: dict[Key, Snapshot] = {}
        # Of those that are on their way through the stream, and of those that wait: how often such a snapshot came.
        self._coming: Counter[Key] = Counter()
        self._times: Counter[Key] = Counter()
        self._code: dict[tuple[int, int], MappedCode] = {}
        self._spaces: dict[int, list[AddressSpace]] = {}
        self._ended: set[int] = set()
        self._drained_at = 1 << 63
        # The keys of stacks that are known for one process only, by process, and these processes by key.
        self._keys: dict[int, set[Key]] = {}
        self._owners: dict[Key, set[int]] = {}
        self._ips: dict[Key, set[int]] = {}
        self._last, self._saved = time.monotonic(), _MOST_SAVED

    def take(self, cpu: int, data: bytes) -> None:
        """Notes the snapshots in ``data``, drained from the ring of ``cpu``."""
        whole, _ = self._stream.feed(cpu, data)
        for snapshot in whole:
            if snapshot.time >= self._since:
                self._waiting.setdefault(snapshot.key, snapshot)
                self._times[snapshot.key] += self._coming.pop(snapshot.key, 1)
            # Else its first fragment is in the spool of the leg before.
        self._coming.clear()

    def _is_first(self, key: Key) -> bool:
        """Whether a snapshot with ``key`` is the earliest that waits; others are counted, of which a busy program sends
        thousands before its stacks are known.
        """
        counts = self._times if key in self._waiting else self._coming
        if key not in counts and len(self._waiting) + len(self._coming) >= _MOST_WAITING:
            return False
        counts[key] += 1
        # The side band is drained up to the earliest sooner than to the latest.
        return counts is self._coming and counts[key] == 1

    def work(self) -> bytes:
        """Learns for at most 20 ms, and half of the time in the long run; the :data:`LEARNED` records to spool."""
        begin = time.monotonic()
        self._saved = min(_MOST_SAVED, self._saved + _TIME_SHARE * (begin - self._last))
        self._last = begin
        until = begin + min(_LONGEST_TURN, self._saved)
        learned: list[tuple[int, int]] = []
        for key, _times in self._times.most_common():
            if time.monotonic() >= until:
                break
            # What was mapped until then is known only when the side band has been drained up to then.
            if self._waiting[key].time <= self._drained_at:
                del self._times[key]
                self._learn(key, self._waiting.pop(key), learned)
        self._forget_ended()
        self._saved -= time.monotonic() - begin
        if learned:
            _log.debug("learned %d stacks: %d known, %d waiting", len(learned), self._known.count, len(self._waiting))
        return np.array(learned, LEARNED).tobytes()

    def forget_gone(self) -> None:
        """Makes the BPF program forget the stacks whose processes are gone: in a later leg, they cannot be unwound."""
        gone = [stack.key for stack in self._known.all() if stack.snapshot.time < self._gone.get(stack.snapshot.pid, 0)]
        for key in dict.fromkeys(gone):
            self._drop(key)

    def carried(self, now: int) -> tuple[list[Snapshot], bytes]:
        """What the spools of a leg that begins ``now`` (ns, CLOCK_MONOTONIC) have to begin with.

        The snapshots of all known stacks, no longer than unwinding needs, and the :data:`LEARNED` records.
        """
        self.forget_gone()
        self._gone = {pid: when for pid, when in self._gone.items() if when >= self._last_carried}
        self._last_carried = self._since = now
        self._waiting.clear()
        self._times.clear()
        stacks = list(self._known.all())
        self._hashes = {stack.snapshot.number: self._hashes[stack.snapshot.number] for stack in stacks}
        learned = np.array(list(self._hashes.items()), LEARNED).tobytes()
        return [_shortened(stack) for stack in stacks], learned

    @property
    def is_behind(self) -> bool:
        """Whether snapshots wait to be learned from."""
        return bool(self._waiting)

    def notice(self, events: Iterable[Event], drained_at: int) -> None:
        """Takes in all ``events`` up to ``drained_at`` (ns, CLOCK_MONOTONIC), and perhaps later ones.

        The BPF program forgets the stacks that they may have made wrong.
        """
        self._drained_at = drained_at
        for event in sorted((e for e in events if not isinstance(e, Lost)), key=lambda event: event.time):
            if self._is_carried and _begins_or_ends(event):
                self._gone[event.pid] = event.time
            match event:
                case Comm() if event.exec:
                    self._forget(event.pid)
                    self._spaces.setdefault(event.pid, []).append(AddressSpace(event.time))
                case Fork() if event.pid != event.parent_pid:
                    self._forget(event.pid)
                    self._ended.discard(event.pid)
                    inherited = self._space_at(event.parent_pid, event.time)
                    self._spaces[event.pid] = [] if inherited is None else [inherited.fork(event.time)]
                case Exit() if event.pid == event.tid:
                    self._forget(event.pid)
                    # Snapshots of it may still wait.
                    self._ended.add(event.pid)
                case Mapping():
                    self._forget_code(event.pid)
                    if self._spaces.get(event.pid):
                        self._spaces[event.pid][-1].own.append(event)
                    for key in list(self._keys.get(event.pid, ())):
                        if any(event.start <= ip < event.end for ip in self._ips[key]):
                            self._drop(key)

    def _learn(self, key: Key, snapshot: Snapshot, learned: list[tuple[int, int]]) -> None:
        if any(stack.is_of(snapshot) for stack in self._known.variants(key)):
            return
        code = self._mapped_code(snapshot.pid, snapshot.time)
        unwound = unwind_snapshot(snapshot, code)
        if not unwound.is_recognisable:
            if unwound.status == "bad-unwind-info":
                # A file may not be open yet.
                self._forget_code(snapshot.pid)
            return
        groups = groups_of(snapshot, unwound, code.mapping)
        stack = KnownStack(
            snapshot,
            unwound.registers,
            unwound.words,
            None if groups is None else groups.words,
            frozenset() if groups is None else groups.moving,
        )
        if self._known.is_full:
            _log.debug("the table of known stacks is full: %d keys are dropped", _EVICTED)
            for old in list(self._ips)[:_EVICTED]:
                self._drop(old)
        if self._known.add(stack):
            self._ips.setdefault(key, set()).update(frame.ip for frame in unwound.frames)
            if groups is None:
                self._keys.setdefault(snapshot.pid, set()).add(key)
                self._owners.setdefault(key, set()).add(snapshot.pid)
            learned.append((snapshot.number, inputs_hash(unwound, groups)))
            if self._is_carried:
                self._hashes[snapshot.number] = learned[-1][1]

    def _mapped_code(self, pid: int, when: int) -> MappedCode:
        """What ``pid`` has mapped since its last exec before ``when``; it may have ended meanwhile."""
        space = self._space_at(pid, when)
        key = (pid, BEFORE if space is None else space.start)
        code = self._code.get(key)
        if code is None:
            if len(self._code) >= _MOST_PROCESSES:
                self._code.clear()
            if space is not None:
                # Whoever follows the processes holds these files.
                mappings = list(space.latest_first())
            else:
                mappings = [mapping_of(pid, line) for line in procfs.executable_maps(pid)]
                for mapping in mappings:
                    self._modules.hold(mapping)
            code = MappedCode(_finder(mappings), self._modules, lambda: mappings)
            if mappings:
                self._code[key] = code
        return code

    def _space_at(self, pid: int, when: int) -> AddressSpace | None:
        """What is known from the events of a process that is new, or executed a program, until ``when``."""
        return next((space for space in reversed(self._spaces.get(pid, ())) if space.start <= when), None)

    def _forget(self, pid: int) -> None:
        """Forgets what is true of the process ``pid`` alone: it ends, or executes another program."""
        for key in list(self._keys.get(pid, ())):
            self._drop(key)

    def _forget_code(self, pid: int) -> None:
        for key in [key for key in self._code if key[0] == pid]:
            del self._code[key]

    def _forget_ended(self) -> None:
        """Forgets what ended processes had mapped, once none of their snapshots waits."""
        if self._ended:
            waiting = {snapshot.pid for snapshot in self._waiting.values()}
            for pid in [pid for pid in self._ended if pid not in waiting]:
                self._ended.discard(pid)
                self._spaces.pop(pid, None)
                self._forget_code(pid)

    def _drop(self, key: Key) -> None:
        """Makes the BPF program forget all stacks with this key."""
        self._known.remove(key)
        self._ips.pop(key, None)
        for pid in self._owners.pop(key, ()):
            self._keys[pid].discard(key)
            if not self._keys[pid]:
                del self._keys[pid]


def _begins_or_ends(event: Event) -> bool:
    """Whether the process of ``event`` begins, executes another program or ends."""
    match event:
        case Comm():
            return event.exec
        case Fork():
            return event.pid != event.parent_pid
    return isinstance(event, Exit) and event.pid == event.tid


def _shortened(stack: KnownStack) -> Snapshot:
    """The snapshot of ``stack`` as far as unwinding reads it; as a whole where its other words or its length matter."""
    snapshot = stack.snapshot
    if stack.groups is None or snapshot.below or snapshot.depth == snapshot.registers[1]:
        return snapshot
    # Unwinding ends there because the stack does, or reads no further.
    return snapshot._replace(stack=snapshot.stack[: max(stack.offsets, default=0) + _WORD])


def _finder(mappings: list[Mapping]) -> Callable[[int], Mapping | None]:
    return lambda address: next((m for m in mappings if m.start <= address < m.end), None)
