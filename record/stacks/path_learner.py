"""While recording: walks new stacks, and tells the BPF program how it knows them again."""

from __future__ import annotations

import pathlib
import time
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.known_paths import Key, KnownPaths, Path
from bpfrec.bpf.sideband import Comm, Event, Exit, Mapping
from bpfrec.bpf.snapshots import Snapshot, snapshot_stream
from bpfrec.record.processes import procfs
from bpfrec.record.processes.history import mapping_of
from bpfrec.record.stacks.callers import Executable, callers_of
from bpfrec.record.stacks.modules import Modules

LEARNED = np.dtype([("snapshot", "<u8"), ("dependence", "<u8")])
"""What is spooled of a path that the program was told: its snapshot, and what its walk depended on."""

# Of the recorder's time, what it may save up, and how long the rings may wait for it, in seconds.
_SHARE = 0.2
_MOST_SAVED = 0.2
_AT_ONCE = 0.02
_MOST_WAITING = 512
_MOST_SPACES = 256
_EVICTED = 256


def read_learned(spool: pathlib.Path) -> NDArray[np.void]:
    """The rows of :data:`LEARNED` in the file ``spool``; one that is cut off at its end is left out."""
    data = spool.read_bytes()
    return np.frombuffer(data, LEARNED, len(data) // LEARNED.itemsize)


class Learner:
    """Takes snapshots as they come, and :meth:`work` some of the time."""

    def __init__(self, known: KnownPaths, modules: Modules) -> None:
        self._known, self._modules = known, modules
        self._stream = snapshot_stream()
        self._waiting: dict[Key, Snapshot] = {}
        self._times: Counter[Key] = Counter()
        self._spaces: dict[int, Executable] = {}
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
        """Learns for a fifth of the time, about 20 ms at once; what is to be spooled: :data:`LEARNED`."""
        begin = time.monotonic()
        self._saved = min(_MOST_SAVED, self._saved + _SHARE * (begin - self._last))
        self._last = begin
        until = begin + min(_AT_ONCE, self._saved)
        learned: list[tuple[int, int]] = []
        for key, _times in self._times.most_common():
            if time.monotonic() >= until:
                break
            del self._times[key]
            self._learn(key, self._waiting.pop(key), learned)
        self._saved -= time.monotonic() - begin
        return np.array(learned, LEARNED).tobytes()

    @property
    def is_behind(self) -> bool:
        """Whether snapshots are waiting to be learned from."""
        return bool(self._waiting)

    def notice(self, events: Iterable[Event]) -> None:
        """Forgets the paths that ``events`` make doubtful."""
        for event in events:
            match event:
                case Comm() if event.exec:
                    self._forget(event.pid)
                case Exit() if event.pid == event.tid:
                    self._forget(event.pid)
                case Mapping():
                    self._spaces.pop(event.pid, None)
                    for key in list(self._keys.get(event.pid, ())):
                        if any(event.start <= ip < event.end for ip in self._ips[key]):
                            self._drop(key)

    def _learn(self, key: Key, snapshot: Snapshot, learned: list[tuple[int, int]]) -> None:
        if any(_agrees(path, snapshot) for path in self._known.variants(key)):
            return
        callers = callers_of(snapshot, self._space(snapshot.pid))
        if not callers.tells:
            return
        path = Path(snapshot.number, snapshot.pid, snapshot.registers, callers.used, callers.words, snapshot.readable)
        if self._known.is_full:
            for old in list(self._ips)[:_EVICTED]:
                self._drop(old)
        if self._known.add(path):
            self._keys.setdefault(snapshot.pid, set()).add(key)
            self._ips.setdefault(key, set()).update(frame.ip for frame in callers.frames)
            learned.append((snapshot.number, callers.dependence))

    def _space(self, pid: int) -> Executable:
        known = self._spaces.get(pid)
        if known is None:
            if len(self._spaces) >= _MOST_SPACES:
                self._spaces.clear()
            mappings = [mapping_of(pid, line) for line in procfs.executable_maps(pid)]
            for mapping in mappings:
                self._modules.hold(mapping)
            known = Executable(_finder(mappings), self._modules)
            if mappings:
                self._spaces[pid] = known
        return known

    def _forget(self, pid: int) -> None:
        self._spaces.pop(pid, None)
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


def _agrees(path: Path, snapshot: Snapshot) -> bool:
    sp = snapshot.registers[1]
    return all(path.registers[number] == snapshot.registers[number] for number in path.used) and all(
        snapshot.word(address - sp) == word for address, word in path.words.items()
    )
