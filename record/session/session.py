"""One recording while it goes on: load, attach, drain, stop.

Order matters: the side band is opened before /proc is read, and both before the program is attached, so that what
changes in between is seen twice and never missed.
"""

from __future__ import annotations

import difflib
import logging
import os
import select
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.perf_event import online_cpus
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.selection import Selection
from bpfrec.bpf.sideband import Event, parse_events
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Attached, Ended, Mark
from bpfrec.record.options.phrases import one_of
from bpfrec.record.processes import procfs
from bpfrec.record.processes.calls_in_progress import CallInProgress, calls_in_progress
from bpfrec.record.request import Request
from bpfrec.record.session.channel import Channels, open_channels
from bpfrec.record.session.command import Command
from bpfrec.record.session.flight import Flight, windowed
from bpfrec.record.session.limits import Limits
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Progress, Recorded
from bpfrec.record.session.segments import Segments
from bpfrec.record.session.signals import StopSignals
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.stop import StopCondition
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.until import UntilWatch
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.stacks.kernel_symbols import read_kernel_symbols
from bpfrec.record.stacks.stack_learner import StackLearner

_log = logging.getLogger(__name__)

# Seconds between two drains; the short one while something may soon be gone, or while calls wait for a stack.
_TICK = 0.1
_SHORT_TICK = 0.01
_PERF_MAP_SECONDS = 0.1
_REPORT_SECONDS = 0.5


class Listener(Protocol):
    """Who is told how a recording goes."""

    def say(self, text: str) -> None:
        """Something that the user should know at once."""

    def started(self) -> None:
        """From now on every call is recorded."""

    def progress(self, now: Progress) -> None:
        """Called about twice a second."""


class Helper(Protocol):
    """A process that works on the spools while they grow, and is never recorded."""

    @property
    def pid(self) -> int:
        """Of that process."""

    def segment_closed(self, mark: Mark) -> None:
        """Called when a segment is spooled."""


class Windows(Protocol):
    """Who writes what a flight recorder keeps, while recording goes on."""

    @property
    def is_busy(self) -> bool:
        """Whether one is being written."""

    def asked(self) -> list[int]:
        """When it was asked for one that is not begun yet, ns on CLOCK_MONOTONIC."""

    def begin(self, recorded: Recorded, unsent: list[tuple[int, bytes, int]]) -> None:
        """Begins to write ``recorded``; ``unsent``: batches that are not spooled, as CPU, perf sample, calls."""

    def step(self, listener: Listener) -> None:
        """Called after each drain; tells ``listener`` what was written, and what has to wait."""


class InterruptedEarlyError(BpfrecError):
    """A signal came before recording had begun; ``exit_code`` is that of a program that it killed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"{signal.Signals(number).name} came before recording had begun: nothing was recorded")
        self.exit_code = 128 + number


def record(
    request: Request,
    output: Output,
    command: Command | None,
    program: RecorderProgram,
    listener: Listener,
    signals: StopSignals,
    helpers: Sequence[Helper] = (),
    windows: Windows | None = None,
) -> Recorded:
    """Records what ``request`` asks for into the spools of ``output``.

    ``command``: that of the request, which is released here. ``program``: for :meth:`.Request.selection` of it.
    ``signals`` is entered already. ``helpers``: processes that read the spools meanwhile. ``windows``: for a request
    with ``last``.

    Raises:
        BpfrecError: recording is not possible here, the command cannot be started, or a signal came too early.
    """
    session = _Session(request, program.selection, output, command, helpers, windows)
    return session.run(program, listener, signals)


@dataclass(frozen=True)
class _Start:
    """How a recording began; members as those of :class:`.Recorded`."""

    clock: Clock
    start_ns: int
    ended_early: list[int]
    in_progress: list[CallInProgress]
    looked_ns: int
    ring_bytes: int


class _Session:
    def __init__(
        self,
        request: Request,
        selection: Selection,
        output: Output,
        command: Command | None,
        helpers: Sequence[Helper],
        windows: Windows | None,
    ) -> None:
        self._request, self._command = request, command
        self._child = child = command.child if command is not None else None
        self._output, self._is_limited, self._was_told = output, False, False
        output.reserve_room()
        self._spools = Spools(output)
        self._learner: StackLearner | None = None
        self._until: UntilWatch | None = None
        self._events: list[Event] = []
        self._throttled = 0
        self._ring_cpus: frozenset[int] = frozenset()
        self._selection = selection
        wanted = request.processes()
        if wanted is not None and child is not None:
            wanted.add(child.pid)
        command_pid = child.pid if child else None
        self._tracker = ProcessTracker(wanted, request.follow or child is not None, command_pid, request.command)
        self._helpers, self._windows = helpers, windows
        self._flight: Flight | None = None
        self._tracker.forgets = request.last is not None
        self._segments = Segments(request, output, self._spools, self._tell)
        self._tracker.note = self._segments.journal.write

    def _tell(self, mark: Mark) -> None:
        for helper in self._helpers:
            helper.segment_closed(mark)

    def run(self, program: RecorderProgram, listener: Listener, signals: StopSignals) -> Recorded:
        try:
            return self._with_program(program, listener, signals)
        finally:
            self._spools.close()

    def _with_program(self, program: RecorderProgram, listener: Listener, signals: StopSignals) -> Recorded:
        request = self._request
        channels = open_channels(program, self._selection, request.ring_bytes, self._spools)
        try:
            careful = self._tracker.careful
            channels.side_band.consumer = careful.wrapped("reading the side band", self._take_events)
            self._ring_cpus = channels.calls.cpus
            if request.until:
                self._until = UntilWatch(request.until, request.after)
                channels.calls.consumer = careful.wrapped("looking for the call of --until", self._until.take)
            self._tracker.snapshot()
            if request.comm is not None:
                program.add_named_processes(_named(request.comm))
                _warn_of_name(request.comm, listener)
            if channels.snapshots is not None:
                known = program.known_stacks(channels.snapshots.rings)
                self._learner = StackLearner(known, self._tracker.modules, is_carried=request.last is not None)
                channels.snapshots.consumer = careful.wrapped("reading snapshots", self._learner.take)
            stop = StopCondition(
                request.seconds, signals, request.pids, request.tids, self._command, request.follow, program.has_targets
            )
            try:
                return self._record(program, channels, stop, listener, signals)
            finally:
                stop.close()
        finally:
            program.detach()
            channels.close()

    def _record(
        self,
        program: RecorderProgram,
        channels: Channels,
        stop: StopCondition,
        listener: Listener,
        signals: StopSignals,
    ) -> Recorded:
        clock = read_clock()
        self._tracker.modules.helpers.renew()
        self._tracker.perf_maps.renew_helpers()
        program.attach()
        channels.start_sampling()
        ended_early = stop.ended_unseen()
        for ended in ended_early:
            program.forget(ended)
        start = monotonic_ns()
        in_progress: list[CallInProgress] = []
        with self._tracker.careful.about("reading calls in progress"):
            in_progress += calls_in_progress(self._at_the_start(), self._selection)
        looked = monotonic_ns()
        with self._tracker.careful.about("reading descriptors"):
            self._read_descriptors(channels)
        attached = self._note_start(program, clock, start, channels, in_progress, looked)
        if self._request.last is not None:
            self._flight = Flight(
                self._request.last,
                self._output,
                self._spools,
                self._segments,
                self._tracker,
                self._learner,
                program,
                lambda: self._drain(channels),
                read_clock,
            )
            self._flight.begin(attached, in_progress, looked, ended_early)
        found = _Start(clock, start, ended_early, in_progress, looked, channels.calls.rings[0].size)
        _log.info("attached; %d threads were in a call that is recorded", len(in_progress))
        if signals.received:
            # Nobody knows yet that it records, and the command has not begun: that is no recording.
            raise InterruptedEarlyError(signals.received[0][0])
        listener.started()
        if self._child is not None:
            self._child.release()
        reason = self._drain_until(program, channels, stop, listener, found)
        _log.info("stopping: %s", reason)
        channels.stop_sampling()
        program.detach()
        self._drain(channels)
        # A drain takes what is there when it looks; the last records of a busy CPU come with the second one.
        self._drain(channels)
        counters = self._counters(program, channels)
        for cpu, sample, calls in program.unsent():
            self._spools.write(SpoolKind.CALLS, cpu, [memoryview(sample)])
            counters["sent_syscalls"] += calls
        if self._selection.sched:
            for cpu, sample in program.still_off_cpu():
                self._spools.write(SpoolKind.SCHED, cpu, [memoryview(sample)])
                counters["sent_off_cpu"] += 1
        in_progress_at_end = program.calls_in_progress()
        self._note_end(program, counters, reason, in_progress_at_end)
        self._tracker.find_perf_maps(finally_=True)
        counters["failed_reads"] = self._tracker.careful.failures
        _log.info("counters: %s", counters)
        recorded = self._recorded(program, found, reason, counters, in_progress_at_end)
        if self._selection.has_kernel_stacks:
            # Read while the program is loaded, for it may have been what ran.
            recorded.kernel_symbols = read_kernel_symbols()
        return recorded

    def _counters(self, program: RecorderProgram, channels: Channels) -> dict[str, int]:
        self._throttled += channels.throttled_samples()
        return program.counters() | {"throttled_samples": self._throttled}

    def _recorded(
        self,
        program: RecorderProgram,
        found: _Start,
        reason: str,
        counters: dict[str, int],
        in_progress_at_end: bytes,
    ) -> Recorded:
        """What was recorded up to now: all of it, or what the flight recorder keeps."""
        recorded = Recorded(
            clock=found.clock,
            start_ns=found.start_ns,
            stop_ns=monotonic_ns(),
            stopped=reason,
            is_cut=self._spools.refused is not None,
            is_limited=self._is_limited,
            ended_early=found.ended_early,
            counters=counters,
            lost_by_cpu=program.lost_syscalls_by_cpu(),
            lost_bursts=program.lost_bursts(),
            in_progress_at_end=in_progress_at_end,
            in_progress_at_start=found.in_progress,
            looked_ns=found.looked_ns,
            tracker=self._tracker,
            ring_cpus=self._ring_cpus & set(online_cpus()),
            ring_bytes=found.ring_bytes,
            spooled_bytes=self._spools.bytes_written(SpoolKind.CALLS),
            child=self._child,
            begun=self._segments.begun,
            follows_uring=program.reports_uring,
            kernel_symbols=None,
        )
        return recorded if self._flight is None else windowed(recorded, self._flight)

    def _note_start(
        self,
        program: RecorderProgram,
        clock: Clock,
        start: int,
        channels: Channels,
        in_progress: list[CallInProgress],
        looked: int,
    ) -> Attached:
        tracker = self._tracker
        entry = Attached(
            clock=clock,
            start_ns=start,
            wanted=tracker.wanted,
            follow=tracker.follow,
            command_pid=tracker.command_pid,
            ring_bytes=channels.calls.rings[0].size,
            ring_cpus=self._ring_cpus,
            follows_uring=program.reports_uring,
        )
        self._segments.attached(entry, in_progress, looked)
        self._segments.note_descriptors(tracker.descriptors)
        return entry

    def _note_end(
        self, program: RecorderProgram, counters: dict[str, int], reason: str, in_progress_at_end: bytes
    ) -> None:
        child = self._child
        entry = Ended(
            stop_ns=monotonic_ns(),
            stopped=reason,
            in_progress=in_progress_at_end.hex(),
            outcome=child.outcome if child else None,
            exit_code=child.exit_code if child else None,
        )
        self._segments.ended(Mark(entry.stop_ns, {}, counters, program.lost_syscalls_by_cpu()), entry)

    def _at_the_start(self) -> set[int]:
        """The processes that can be in a call to be recorded when recording begins."""
        wanted = self._tracker.wanted
        own = {os.getpid()} | {process.pid for process in (self._child, *self._helpers) if process is not None}
        return (set(procfs.pids()) if wanted is None else wanted) - own

    def _read_descriptors(self, channels: Channels) -> None:
        """Reads what is open, and drains the rings meanwhile: there may be thousands of processes."""
        next_drain = time.monotonic() + _TICK
        for _ in self._tracker.read_descriptors():
            if time.monotonic() >= next_drain:
                self._drain(channels)
                next_drain = time.monotonic() + _TICK

    def _drain_until(
        self, program: RecorderProgram, channels: Channels, stop: StopCondition, listener: Listener, found: _Start
    ) -> str:
        """Drains the rings until there is a reason to stop; the reason."""
        next_report = next_maps = 0.0
        limits = Limits(self._request.max_seconds, self._request.max_bytes, self._output.used)
        with select.epoll() as epoll:
            for ring in channels.rings():
                epoll.register(ring.fileno(), select.EPOLLIN)
            while (reason := stop.reason()) is None:
                is_urgent = self._tracker.is_lively or (self._learner is not None and self._learner.is_behind)
                is_urgent = is_urgent or (self._flight is not None and self._flight.is_reading)
                epoll.poll(stop.remaining(_SHORT_TICK if is_urgent else _TICK))
                mark = self._segments.due(program)
                self._drain(channels)
                if mark is not None:
                    unsent = program.unsent()
                    self._segments.close(mark, unsent)
                    self._look_at(unsent)
                if (met := self._reason_of_until(listener)) is not None:
                    self._is_limited = True
                    return met
                if (limit := limits.reached(is_marked=mark is not None)) is not None:
                    self._is_limited = True
                    return limit
                self._learn()
                if self._flight is not None and self._windows is not None:
                    self._flight.step()
                    self._step_windows(self._flight, self._windows, program, channels, listener, found)
                if self._spools.refused is not None:
                    return f"the disk refused: {self._spools.refused.strerror}"
                for pid in () if program.knows_ends else stop.ended():
                    program.forget(pid)
                now = time.monotonic()
                if now >= next_maps:
                    self._tracker.find_perf_maps()
                    next_maps = now + _PERF_MAP_SECONDS
                if now >= next_report:
                    self._report(program, channels, listener, found.start_ns)
                    next_report = now + _REPORT_SECONDS
        return reason

    def _step_windows(
        self,
        flight: Flight,
        windows: Windows,
        program: RecorderProgram,
        channels: Channels,
        listener: Listener,
        found: _Start,
    ) -> None:
        """Begins to write what the flight recorder keeps, if that was asked for and nothing is being written."""
        windows.step(listener)
        asked = windows.asked()
        # What led up to a signal is kept until it can be written.
        flight.horizon = asked[0] if asked else None
        if not asked or windows.is_busy or flight.is_reading:
            return
        flight.begin_leg()
        # A call that ends now is in the last drain, or not at all: it counts as in progress only where it is not.
        in_progress, unsent = program.calls_in_progress(), program.unsent()
        counters = self._counters(program, channels)
        self._drain(channels)
        counters["failed_reads"] = self._tracker.careful.failures
        windows.begin(self._recorded(program, found, "SIGUSR1", counters, in_progress), unsent)

    def _look_at(self, unsent: list[tuple[int, bytes, int]]) -> None:
        """Looks for the call of --until in batches that are not full, which a quiet machine does not send for long."""
        if self._until is not None:
            with self._tracker.careful.about("looking for the call of --until"):
                for cpu, sample, _calls in unsent:
                    self._until.take(cpu, sample)

    def _reason_of_until(self, listener: Listener) -> str | None:
        """Why --until stops the recording now; None: it does not. The user is told at once that the call was made."""
        if self._until is None or not self._until.met:
            return None
        reason = self._until.reason()
        if reason is None and not self._was_told:
            self._was_told = True
            listener.say(f"{self._until.met}; recording goes on for {self._request.after:g} s")
        return reason

    def _report(self, program: RecorderProgram, channels: Channels, listener: Listener, start: int) -> None:
        # The kernel closes the events of a CPU that goes offline, and does not open them when it comes back.
        self._ring_cpus &= set(online_cpus())
        sent, lost = program.sent_and_lost()
        spooled = self._flight.bytes if self._flight is not None else self._spools.bytes_written(SpoolKind.CALLS)
        listener.progress(Progress((monotonic_ns() - start) / 1e9, sent, lost, spooled))
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("sent %d calls, lost %d; rings at most %s full", sent, lost, channels.levels())

    def _drain(self, channels: Channels) -> None:
        channels.calls.drain()
        for channel in (channels.samples, channels.sched):
            if channel is not None:
                channel.drain()
        now = monotonic_ns()
        channels.side_band.drain()
        events, self._events = self._events, []
        self._tracker.notice(events, now)
        if channels.snapshots is not None:
            channels.snapshots.drain()
        if self._learner is not None:
            with self._tracker.careful.about("forgetting stacks"):
                self._learner.notice(events, now)

    def _take_events(self, _cpu: int, data: bytes) -> None:
        self._events += parse_events(data)

    def _learn(self) -> None:
        if self._learner is None:
            return
        with self._tracker.careful.about("learning stacks"):
            learned = self._learner.work()
            if learned:
                self._spools.append(SpoolKind.LEARNED, learned)


def read_clock() -> Clock:
    """CLOCK_MONOTONIC and the wall clock, read at nearly the same time, and the offset of local time from UTC."""
    before = monotonic_ns()
    wall = time.time_ns()
    after = monotonic_ns()
    offset = datetime.now().astimezone().utcoffset()
    return Clock((before + after) // 2, wall, int(offset.total_seconds()) if offset else 0)


def _named(comm: str) -> frozenset[int]:
    # The kernel keeps the first 15 bytes of a name.
    kept = os.fsencode(comm)[:15].decode("utf-8", "backslashreplace")
    return frozenset(pid for pid in procfs.pids() if procfs.comm(pid, pid) == kept)


def _warn_of_name(comm: str, listener: Listener) -> None:
    """Says at once that nothing has the name ``comm``, with names like it: it may be misspelt."""
    names = {name for pid in procfs.pids() for name in procfs.thread_names(pid).values()}
    if comm in names or any(os.fsencode(comm)[:15].decode("utf-8", "backslashreplace") == name for name in names):
        return
    close = difflib.get_close_matches(comm, names, n=3)
    listener.say(f"nothing is named {comm} now{f'; did you mean {one_of(sorted(close))}?' if close else ''}")
