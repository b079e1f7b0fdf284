"""What a recording knows of processes besides their calls: read at the start, and kept up to date while it goes on."""

from __future__ import annotations

import logging
import math
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from bpfrec.bpf.sideband import Comm, Event, Fork, Lost, Mapping
from bpfrec.record.processes import procfs
from bpfrec.record.processes.descriptors import DescriptorSnapshot
from bpfrec.record.processes.found_process import FoundProcess, StartedProgram
from bpfrec.record.processes.history import History, mapping_of
from bpfrec.record.session.careful import Careful
from bpfrec.record.stacks.modules import Modules, has_file, may_hold_jit_code
from bpfrec.record.stacks.perf_map_files import PerfMaps

_log = logging.getLogger(__name__)

_LIVELY_SECONDS = 0.5
_ANCESTORS = 4
_MOST_PARENTS = 1 << 12


def in_order(events: Iterable[Event]) -> list[Event]:
    """``events`` of several rings in order of time. Rings are read one after the other, so a child may come first."""
    return sorted(events, key=lambda event: 0 if isinstance(event, Lost) else event.time)


@dataclass
class InitialState:
    """What processes were, and had open, when the recording began, or the leg of it that comes first in the trace.

    ``command_pid``: the process that was to become the recorded command; None: there was none, or it was that already.
    """

    command_pid: int | None = None
    found: list[FoundProcess] = field(default_factory=list)
    descriptors: DescriptorSnapshot = field(default_factory=DescriptorSnapshot)


@dataclass
class ProcessTracker:
    """Follows processes from their events, and opens the files they execute before they are gone.

    ``wanted``: the pids that matter, None: all. With ``follow``, children of these are added. ``command_pid``: the
    process that will become the recorded command ``argv``; what it maps before that is bpfrec's own. ``careful``: what
    cannot be read about one process is counted there, and the others are followed all the same. ``note``: gets what is
    read, for a journal. ``forgets``: only the last part of the recording is kept, and :meth:`forget` is called now and
    then. ``initial``: what the history begins with.
    """

    wanted: set[int] | None
    follow: bool
    command_pid: int | None = None
    argv: tuple[str, ...] = ()
    modules: Modules = field(default_factory=Modules)
    perf_maps: PerfMaps = field(default_factory=PerfMaps)
    careful: Careful = field(default_factory=Careful)
    note: Callable[[FoundProcess | StartedProgram], None] = lambda _entry: None
    forgets: bool = False
    initial: InitialState = field(init=False)
    _born: dict[int, int] = field(default_factory=dict)
    _started: dict[tuple[int, int], tuple[str | None, str | None]] = field(default_factory=dict)
    _with_jit: set[int] = field(default_factory=set)
    _later: list[Event] = field(default_factory=list)
    _last_exec: float = -math.inf
    _parents: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.initial = InitialState(self.command_pid)

    @property
    def descriptors(self) -> DescriptorSnapshot:
        """What processes had open when the trace begins."""
        return self.initial.descriptors

    def snapshot(self) -> None:
        """Reads the processes that exist now, and opens the files they execute."""
        for _ in self._read_all(self.initial):
            pass
        _log.info("read %d processes from /proc", len(self.initial.found))
        self.find_perf_maps()

    def read_again(self, state: InitialState) -> Iterator[int]:
        """Reads the processes that exist now, and what they have open, into ``state``, one process a step."""
        yield from self._read_all(state)
        yield from state.descriptors.take(self._present())

    def _read_all(self, state: InitialState) -> Iterator[int]:
        for pid in self._present():
            with self.careful.about(f"reading process {pid}"):
                self._read(pid, state)
            yield pid

    def _read(self, pid: int, state: InitialState) -> None:
        status = procfs.status(pid)
        if status is None:
            return
        thread = procfs.living_thread(pid)
        names, ended, namespace = procfs.thread_names(pid), procfs.ended_threads(pid), procfs.pid_namespace(thread)
        if pid == state.command_pid:
            self.take(FoundProcess(status, names, ended, [], None, None, namespace), state)
            return
        maps = procfs.executable_maps(thread)
        exe, cmdline = procfs.exe(thread), procfs.cmdline(thread)
        self.take(FoundProcess(status, names, ended, maps, exe, cmdline, namespace), state)

    def take(self, entry: FoundProcess | StartedProgram, state: InitialState | None = None) -> None:
        """Takes in what was found about a process, or read when it executed a program.

        ``state``: where a process was found for; None: :attr:`initial`.
        """
        self.note(entry)
        if isinstance(entry, StartedProgram):
            self._started[entry.pid, entry.time] = (entry.exe, entry.cmdline)
            return
        (state or self.initial).found.append(entry)
        for line in entry.maps:
            self._note_mapping(mapping_of(entry.status.pid, line))

    def read_descriptors(self) -> Iterator[int]:
        """Reads the open descriptors of the processes that exist now, one process a step.

        To be called once calls are recorded: what changes meanwhile is then in the calls.
        """
        return self.descriptors.take(self._present())

    def notice(self, events: list[Event], drained_at: int) -> None:
        """Takes in ``events``, drained from all rings, and opens the files that they show to be needed.

        Events later than ``drained_at`` (ns, CLOCK_MONOTONIC: before the first ring was drained) wait for the next
        call, for an earlier event may still be in another ring.
        """
        waiting = self._later + events
        self._later = [event for event in waiting if not isinstance(event, Lost) and event.time > drained_at]
        for event in in_order(event for event in waiting if isinstance(event, Lost) or event.time <= drained_at):
            with self.careful.about(f"following {event}"):
                self._notice(event)

    @property
    def is_lively(self) -> bool:
        """Whether chosen processes executed programs in the last half second. Such processes are often short-lived."""
        return self.wanted is not None and time.monotonic() - self._last_exec < _LIVELY_SECONDS

    def learn_children(self, forks: Iterable[Fork]) -> None:
        """Adds the children in ``forks`` (any order) to :attr:`wanted`, where children are followed."""
        if self.follow:
            for event in in_order(forks):
                self._follow(event)

    def matters(self, pid: int) -> bool:
        """Whether the trace may have calls of ``pid``."""
        return self.wanted is None or pid in self.wanted

    def find_perf_maps(self, *, finally_: bool = False) -> None:
        """Looks for perf maps of processes that execute memory without a file; ``finally_``: for the last time."""
        with self.careful.about("looking for perf maps"):
            if finally_:
                self.modules.settle()
                self.perf_maps.look_last(self._with_jit)
            else:
                self.perf_maps.look(self._with_jit)
        with self.careful.about("asking runtimes for their flags"):
            self.modules.runtimes.look(self._with_jit)

    def history(self, events: list[Event]) -> History:
        """The history of the processes that matter, from what :meth:`snapshot` read and ``events`` (any order)."""
        history = History()
        for found in self.initial.found:
            life = history.snapshot(found.status, found.names, found.maps, found.ended)
            life.exe, life.cmdline, life.pid_namespace = found.exe, found.cmdline, found.pid_namespace
        for event in in_order(events):
            if not isinstance(event, Lost) and not self.matters(event.pid):
                continue
            history.apply(event)
            if isinstance(event, Comm) and event.exec:
                self._name_program(history, event)
        return history

    def open_files(self, events: Iterable[Event]) -> None:
        """Looks for the files that processes executed, as ``events`` tell, when recording and recorder have ended."""
        for event in events:
            if isinstance(event, Mapping) and self.matters(event.pid):
                with self.careful.about(f"opening {event.path}"):
                    self._note_mapping(event)
        self.find_perf_maps(finally_=True)

    def ended(self) -> frozenset[int]:
        """The processes followed so far that have ended."""
        known = self._with_jit | (self.wanted or set())
        return frozenset(pid for pid in known if not procfs.exists(pid))

    def forget(self, start_ns: int, ended: Iterable[int], generation: int) -> None:
        """Forgets what only calls before ``start_ns`` (CLOCK_MONOTONIC) need.

        ``ended``: processes that had ended by then; a later one may have the same number. ``generation``: that of the
        files that processes executed then (:attr:`.Modules.generation`).
        """
        self._started = {key: program for key, program in self._started.items() if key[1] >= start_ns}
        self._born = {pid: when for pid, when in self._born.items() if when >= start_ns}
        gone = set(ended) - self._born.keys()
        self._with_jit -= gone
        if self.wanted is not None:
            self.wanted -= gone
        self.perf_maps.forget(gone)
        self.modules.runtimes.forget(gone)
        self.modules.forget(generation)

    def close(self) -> None:
        """Closes all files."""
        self.modules.close()
        self.perf_maps.close()

    def _present(self) -> list[int]:
        return list(procfs.pids()) if self.wanted is None else sorted(self.wanted)

    def _notice(self, event: Event) -> None:
        self._follow(event)
        match event:
            case Comm() if event.exec and self.matters(event.pid):
                self._last_exec = time.monotonic()
                self.take(StartedProgram(event.pid, event.time, procfs.exe(event.pid), procfs.cmdline(event.pid)))
            case Mapping() if self.matters(event.pid):
                self._note_mapping(event)

    def _follow(self, event: Event) -> None:
        if isinstance(event, Fork) and event.pid != event.parent_pid:
            self._parents[event.pid] = event.parent_pid
            if self.forgets:
                self._born[event.pid] = event.time
            while len(self._parents) > _MOST_PARENTS:
                del self._parents[next(iter(self._parents))]
        if self.follow and self.wanted is not None and isinstance(event, Fork) and event.parent_pid in self.wanted:
            self.wanted.add(event.pid)

    def _note_mapping(self, mapping: Mapping) -> None:
        if has_file(mapping):
            self.modules.hold(mapping, self._ancestors(mapping.pid))
        if may_hold_jit_code(mapping):
            self._with_jit.add(mapping.pid)

    def _ancestors(self, pid: int) -> list[int]:
        found: list[int] = []
        while len(found) < _ANCESTORS and (parent := self._parents.get(found[-1] if found else pid)) is not None:
            found.append(parent)
        return found

    def _name_program(self, history: History, event: Comm) -> None:
        life = history.life_at(event.pid, event.time)
        if life is not None:
            life.executed = event.time
            life.exe, life.cmdline = self._started.get((event.pid, event.time), (None, None))
            if event.pid == self.initial.command_pid:
                # We know its arguments even if it ended before /proc was read. Its next execve is another program.
                life.cmdline, self.initial.command_pid = life.cmdline or shlex.join(self.argv), None
