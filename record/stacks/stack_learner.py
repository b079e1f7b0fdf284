"""Unwinds new stacks during the recording, and makes the BPF program recognise them."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.known_stacks import Key, KnownStack, KnownStacks
from bpfrec.bpf.sideband import Comm, Event, Exit, Mapping
from bpfrec.bpf.snapshots import Snapshot, snapshot_stream
from bpfrec.record.processes import procfs
from bpfrec.record.processes.history import mapping_of
from bpfrec.record.stacks.modules import Modules
from bpfrec.record.stacks.unwinding import MappedCode, unwind_snapshot

_log = logging.getLogger(__name__)

LEARNED = np.dtype([("snapshot", "<u8"), ("inputs_hash", "<u8")])
"""What is spooled of a known stack: its snapshot, and :attr:`.UnwoundStack.inputs_hash` of what is compared for it."""

# The share of the recorder's time that learning may take.
_TIME_SHARE = 0.2
# Unused time, in seconds, is kept up to this.
_MOST_SAVED = 0.2
# The rings are not drained while stacks are learned: seconds that this may last.
_LONGEST_TURN = 0.02
_MOST_WAITING = 512
_MOST_PROCESSES = 256
_EVICTED = 256


def read_learned(spool: Path) -> NDArray[np.void]:
    """The rows of :data:`LEARNED` in the file ``spool``; leaves out a row that is cut off at its end."""
    data = spool.read_bytes()
    return np.frombuffer(data, LEARNED, len(data) // LEARNED.itemsize)


class StackLearner:
    """Gets snapshots by :meth:`take`, as they come out of the rings, and learns from them in :meth:`work`."""

    def __init__(self, known: KnownStacks, modules: Modules) -> None:
        self._known, self._modules = known, modules
        self._stream = snapshot_stream()
        self._waiting: dict[Key, Snapshot] = {}
        self._times: Counter[Key] = Counter()
        self._code: dict[int, MappedCode] = {}
        self._keys: dict[int, set[Key]] = {}
        self._ips: dict[Key, set[int]] = {}
        self._last, self._saved = time.monotonic(), _MOST_SAVED

    def take(self, cpu: int, data: bytes) -> None:
        """Notes the snapshots in ``data``, drained from the ring of ``cpu``."""
        whole, _ = self._stream.feed(cpu, data)
        for snapshot in whole:
            key = (snapshot.pid, snapshot.registers[0], snapshot.registers[1])
            if key in self._waiting or len(self._waiting) < _MOST_WAITING:
                self._waiting[key] = snapshot
                self._times[key] += 1

    def work(self) -> bytes:
        """Learns for at most 20 ms, and a fifth of the time in the long run; the :data:`LEARNED` records to spool."""
        begin = time.monotonic()
        self._saved = min(_MOST_SAVED, self._saved + _TIME_SHARE * (begin - self._last))
        self._last = begin
        until = begin + min(_LONGEST_TURN, self._saved)
        learned: list[tuple[int, int]] = []
        for key, _times in self._times.most_common():
            if time.monotonic() >= until:
                break
            del self._times[key]
            self._learn(key, self._waiting.pop(key), learned)
        self._saved -= time.monotonic() - begin
        if learned:
            _log.debug("learned %d stacks: %d known, %d waiting", len(learned), self._known.count, len(self._waiting))
        return np.array(learned, LEARNED).tobytes()

    @property
    def is_behind(self) -> bool:
        """Whether snapshots wait to be learned from."""
        return bool(self._waiting)

    def notice(self, events: Iterable[Event]) -> None:
        """Makes the BPF program forget the stacks that ``events`` may have made wrong."""
        for event in events:
            match event:
                case Comm() if event.exec:
                    self._forget(event.pid)
                case Exit() if event.pid == event.tid:
                    self._forget(event.pid)
                case Mapping():
                    self._code.pop(event.pid, None)
                    for key in list(self._keys.get(event.pid, ())):
                        if any(event.start <= ip < event.end for ip in self._ips[key]):
                            self._drop(key)

    def _learn(self, key: Key, snapshot: Snapshot, learned: list[tuple[int, int]]) -> None:
        if any(_agrees(stack, snapshot) for stack in self._known.variants(key)):
            return
        unwound = unwind_snapshot(snapshot, self._mapped_code(snapshot.pid))
        if not unwound.is_recognisable:
            return
        stack = KnownStack(
            snapshot.number, snapshot.pid, snapshot.registers, unwound.registers, unwound.words, snapshot.readable
        )
        if self._known.is_full:
            _log.debug("the table of known stacks is full: %d keys are dropped", _EVICTED)
            for old in list(self._ips)[:_EVICTED]:
                self._drop(old)
        if self._known.add(stack):
            self._keys.setdefault(snapshot.pid, set()).add(key)
            self._ips.setdefault(key, set()).update(frame.ip for frame in unwound.frames)
            learned.append((snapshot.number, unwound.inputs_hash))

    def _mapped_code(self, pid: int) -> MappedCode:
        code = self._code.get(pid)
        if code is None:
            if len(self._code) >= _MOST_PROCESSES:
                self._code.clear()
            mappings = [mapping_of(pid, line) for line in procfs.executable_maps(pid)]
            for mapping in mappings:
                self._modules.hold(mapping)
            code = MappedCode(_finder(mappings), self._modules, lambda: mappings)
            if mappings:
                self._code[pid] = code
        return code

    def _forget(self, pid: int) -> None:
        self._code.pop(pid, None)
        for key in [key for key in self._waiting if key[0] == pid]:
            del self._waiting[key], self._times[key]
        for key in list(self._keys.get(pid, ())):
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self._known.remove(key)
        self._ips.pop(key, None)
        keys = self._keys.get(key[0])
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._keys[key[0]]


def _finder(mappings: list[Mapping]) -> Callable[[int], Mapping | None]:
    return lambda address: next((m for m in mappings if m.start <= address < m.end), None)


def _agrees(stack: KnownStack, snapshot: Snapshot) -> bool:
    sp = snapshot.registers[1]
    return all(stack.registers[number] == snapshot.registers[number] for number in stack.compared) and all(
        snapshot.word(address - sp) == word for address, word in stack.words.items()
    )
