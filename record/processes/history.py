"""The history of processes: names, starts and ends, executable mappings.

It begins with what /proc said at the start, and goes on with the events of perf's side band.
"""

from __future__ import annotations

import bisect
import shlex
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.bpf.sideband import Comm, Event, Exit, Fork, Lost, Mapping
from bpfrec.formats.numeric.asof import AsOf
from bpfrec.record.processes.procfs import MapsLine, ProcessStatus

BEFORE = 0
"""The time of everything that was so before the recording began."""


@dataclass(slots=True)
class ProcessLife:
    """One process. After ``end`` its pid may be used by another. Times in ns on CLOCK_MONOTONIC.

    ``executed``: when it executed the program that ``exe`` and ``cmdline`` belong to. ``status``: as wait4() gives it.
    ``called``: whether it made recorded calls; only known where the pid was used more than once. The other members are
    columns of the table ``processes``.
    """

    pid: int
    parent: int | None
    start: int
    end: int | None = None
    exe: str | None = None
    cmdline: str | None = None
    uid: int | None = None
    executed: int = BEFORE
    namespace_pid: int | None = None
    pid_namespace: int | None = None
    status: int | None = None
    called: bool = False


@dataclass(slots=True)
class ThreadName:
    """The name ``comm`` that ``tid`` of ``pid`` had from ``start`` to ``end``, ns on CLOCK_MONOTONIC."""

    tid: int
    pid: int
    comm: str
    start: int
    end: int | None = None


@dataclass(slots=True)
class AddressSpace:
    """The executable mappings of a process from ``start`` to its next exec.

    ``own``: those made in it, oldest first. A forked process has those of its ``origin`` besides: the first
    ``inherited`` of that one's own, and what that one has from its origin. They are shared, for a process with many
    mappings may fork often.
    """

    start: int
    own: list[Mapping] = field(default_factory=list)
    origin: AddressSpace | None = None
    inherited: int = 0

    def fork(self, start: int) -> AddressSpace:
        """Returns the address space of a process that is forked at ``start``."""
        if self.own:
            return AddressSpace(start, origin=self, inherited=len(self.own))
        return AddressSpace(start, origin=self.origin, inherited=self.inherited)

    def latest_first(self) -> Iterator[Mapping]:
        """Yields the mappings, inherited ones too, from the latest to the oldest."""
        space: AddressSpace | None = self
        count = len(self.own)
        while space is not None:
            for index in range(count - 1, -1, -1):
                yield space.own[index]
            count, space = space.inherited, space.origin

    @property
    def mappings(self) -> list[Mapping]:
        """The mappings, inherited ones too, oldest first."""
        return list(self.latest_first())[::-1]

    def find(self, address: int, when: int) -> Mapping | None:
        """Returns the mapping of ``address`` at ``when``: the latest one made until then that covers it."""
        for mapping in self.latest_first():
            if mapping.time <= when and mapping.start <= address < mapping.end:
                return mapping
        return None


def mapping_of(pid: int, line: MapsLine) -> Mapping:
    """Makes a mapping of a line of /proc/PID/maps: one that ``pid`` had before the recording began."""
    return Mapping(BEFORE, pid, line.start, line.end, line.offset, line.path, None, line.device, line.inode)


class History:
    """Names, lives and mappings by time.

    First :meth:`snapshot` is called for each process that exists, then :meth:`apply` for each event in order of time.
    ``lost_events``: how many events the kernel could not deliver. ``names``: all names that threads had.
    """

    def __init__(self) -> None:
        self.lost_events = 0
        self.names: list[ThreadName] = []
        self._name_of: dict[int, ThreadName] = {}
        self._lives: dict[int, list[ProcessLife]] = {}
        self._spaces: dict[int, list[AddressSpace]] = {}
        self._threads: dict[int, set[int]] = {}

    def snapshot(
        self, status: ProcessStatus, names: dict[int, str], maps: Iterable[MapsLine], ended: Set[int] = frozenset()
    ) -> ProcessLife:
        """Notes a process that exists; returns its life, so that the caller can add what else is known.

        ``ended``: threads that have ended already, as a main thread may have before the others.
        """
        life = ProcessLife(status.pid, status.parent, BEFORE, uid=status.uid, namespace_pid=status.namespace_pid)
        self._lives[status.pid] = [life]
        self._threads[status.pid] = {status.pid, *names} - ended
        for tid, comm in names.items():
            self._rename(tid, status.pid, comm, BEFORE)
        space = AddressSpace(BEFORE, [mapping_of(status.pid, line) for line in maps])
        self._spaces[status.pid] = [space]
        return life

    def apply(self, event: Event) -> None:
        """Notes one event."""
        match event:
            case Comm():
                self._rename(event.tid, event.pid, event.comm, event.time)
                if event.exec:
                    self._spaces.setdefault(event.pid, []).append(AddressSpace(event.time))
                    self._end_other_threads(event)
            case Fork():
                self._fork(event)
            case Exit():
                self._exit(event)
            case Mapping():
                spaces = self._spaces.setdefault(event.pid, [AddressSpace(BEFORE)])
                spaces[-1].own.append(event)
            case Lost():
                self.lost_events += event.number

    def life_at(self, pid: int, when: int) -> ProcessLife | None:
        """Returns the process that had ``pid`` at ``when`` (ns on CLOCK_MONOTONIC), or None."""
        for life in reversed(self._lives.get(pid, [])):
            if life.start <= when:
                return life
        return None

    def note_processes(self, told: NDArray[np.void]) -> None:
        """Notes births and ends that the BPF program reported: rows of dtype :data:`bpfrec.bpf.wire.PROCESS`."""
        columns = [told[name].tolist() for name in ("what", "pid", "ts", "status", "ns_pid", "pid_ns", "uid")]
        for what, pid, when, status, namespace_pid, pid_namespace, uid in zip(*columns, strict=True):
            life = self.life_at(pid, when)
            if life is None:
                continue
            if what == wire.BORN:
                life.namespace_pid, life.pid_namespace, life.uid = namespace_pid, pid_namespace, uid
            elif what == wire.ENDED:
                life.status = status

    def lives(self, pid: int) -> list[ProcessLife]:
        """Returns all processes that had ``pid``, oldest first."""
        return self._lives.get(pid, [])

    def address_space_at(self, pid: int, when: int) -> AddressSpace | None:
        """Returns what was executable in ``pid`` at ``when``, or None where nothing is known of it."""
        spaces = self._spaces.get(pid, [])
        index = bisect.bisect_right(spaces, when, key=lambda space: space.start) - 1
        return spaces[max(index, 0)] if spaces else None

    def program(self, pid: int, when: int) -> str | None:
        """Returns the path of the program of ``pid`` at ``when``: the first file that an exec maps."""
        space = self.address_space_at(pid, when)
        mappings = space.mappings if space else []
        return mappings[0].path if mappings else None

    def has_ended(self, tid: int) -> bool:
        """Tells whether the thread that last had ``tid`` has ended."""
        return tid not in self._name_of

    def note_arguments(self, pid: int, entry: int, end: int, argv: list[str]) -> None:
        """Notes the arguments of an execve of ``pid`` that worked, which lasted from ``entry`` to ``end``.

        They are needed only where the process ended before /proc could be read.
        """
        life = self.life_at(pid, end)
        if life is not None and life.cmdline is None and entry <= life.executed <= end:
            life.cmdline = shlex.join(argv)

    def mappings(self, pid: int) -> list[Mapping]:
        """Returns all executable mappings that ``pid`` had, in all its lives and programs."""
        return [mapping for space in self._spaces.get(pid, []) for mapping in space.mappings]

    def name_lookup(self) -> AsOf:
        """Returns an as-of lookup from (tid, time) to the index in :attr:`names`."""
        keys = np.array([name.tid for name in self.names], np.int64)
        times = np.array([name.start for name in self.names], np.int64)
        return AsOf(keys, times)

    def note_calls(self, pids: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        """Notes which lives made calls, given the pid and entry of each call; to be called after all events."""
        pids_again, lives, lookup = self._reuse
        if not lives:
            return
        again = np.isin(pids, pids_again)
        for index in np.unique(lookup.lookup(pids[again], times[again])).tolist():
            if index >= 0:
                lives[index].called = True

    def recorded_lives(self, pid: int) -> list[ProcessLife]:
        """Returns the lives of ``pid`` that made recorded calls; the only one where the pid was used once."""
        lives = self.lives(pid)
        return lives if len(lives) < 2 else [life for life in lives if life.called] or lives[:1]

    @cached_property
    def _reuse(self) -> tuple[NDArray[np.int32], list[ProcessLife], AsOf]:
        lives = [life for lives in self._lives.values() if len(lives) > 1 for life in lives]
        pids = np.array([life.pid for life in lives], np.int32)
        starts = np.array([life.start for life in lives], np.int64)
        return pids, lives, AsOf(pids.astype(np.int64), starts)

    def mapping_lookup(self) -> AsOf:
        """Returns an as-of lookup from (pid, time) to a number that changes with every change of the mappings."""
        changes = [
            (pid, when)
            for pid, spaces in self._spaces.items()
            for space in spaces
            for when in {space.start, *(mapping.time for mapping in space.own)}
        ]
        table = np.array(changes, np.int64).reshape(-1, 2)
        return AsOf(table[:, 0], table[:, 1])

    def _rename(self, tid: int, pid: int, comm: str, when: int) -> None:
        before = self._name_of.get(tid)
        if before is not None and before.end is None:
            if before.comm == comm and before.pid == pid:
                return
            before.end = when
        name = ThreadName(tid, pid, comm, when)
        self._name_of[tid] = name
        self.names.append(name)

    def _fork(self, event: Fork) -> None:
        parent = self._name_of.get(event.parent_tid)
        if parent is not None:
            self._rename(event.tid, event.pid, parent.comm, event.time)
        if event.pid == event.parent_pid:
            self._threads.setdefault(event.pid, {event.pid}).add(event.tid)
            return
        self._threads[event.pid] = {event.tid}
        maker = self.life_at(event.parent_pid, event.time)
        life = ProcessLife(event.pid, event.parent_pid, event.time)
        if maker is not None:
            life.exe, life.cmdline, life.uid = maker.exe, maker.cmdline, maker.uid
        lives = self._lives.setdefault(event.pid, [])
        if lives and lives[-1].start == BEFORE and lives[-1].end is None:
            # It was born between the opening of the side band and the snapshot, and the snapshot knows more of it.
            lives[-1].start = event.time
        else:
            lives.append(life)
        inherited = self.address_space_at(event.parent_pid, event.time)
        space = inherited.fork(event.time) if inherited else AddressSpace(event.time)
        self._spaces.setdefault(event.pid, []).append(space)

    def _exit(self, event: Exit) -> None:
        name = self._name_of.pop(event.tid, None)
        if name is not None and name.end is None:
            name.end = event.time
        threads = self._threads.get(event.pid, {event.tid})
        threads.discard(event.tid)
        life = self.life_at(event.pid, event.time)
        if life is not None and not threads:
            life.end = event.time

    def _end_other_threads(self, event: Comm) -> None:
        """Ends the names of all threads but the one that executed a program: an exec ends the others."""
        for tid in self._threads.get(event.pid, set()) - {event.tid}:
            name = self._name_of.pop(tid, None)
            if name is not None and name.end is None:
                name.end = event.time
        self._threads[event.pid] = {event.tid}
