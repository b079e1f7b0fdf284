"""One recording while it goes on: load, attach, drain, stop.

Order matters: the side band is opened before /proc is read, and both before the program is attached, so that what
changes in between is seen twice and never missed.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.selection import Selection
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Attached, Ended, Mark
from bpfrec.record.processes import procfs
from bpfrec.record.processes.calls_in_progress import CallInProgress, calls_in_progress
from bpfrec.record.request import Request
from bpfrec.record.session.channel import open_channels
from bpfrec.record.session.command import Command
from bpfrec.record.session.draining import Drain, drain_during
from bpfrec.record.session.flight import Flight, windowed
from bpfrec.record.session.legs import NO_ROOM, has_room_before_ready
from bpfrec.record.session.loop import RecordingLoop
from bpfrec.record.session.named import processes_named, warn_of_name
from bpfrec.record.session.output import Output
from bpfrec.record.session.participants import Helper, Listener, Windows
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.segments import Segments
from bpfrec.record.session.signals import StopSignals
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.stop import StopCondition
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.until import UntilWatch
from bpfrec.record.session.working_folder import SpoolKind
from bpfrec.record.stacks.kernel_symbols import read_kernel_symbols

_log = logging.getLogger(__name__)


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
        self._output, self._is_limited = output, False
        output.reserve_room()
        self._spools = Spools(output)
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
            until = UntilWatch(request.until, request.after) if request.until else None
            drain = Drain(channels, self._tracker, self._spools, until)
            self._tracker.snapshot()
            if request.comm is not None:
                program.add_named_processes(processes_named(request.comm))
                warn_of_name(request.comm, listener)
            if channels.snapshots is not None:
                known = program.known_stacks(channels.snapshots.rings)
                drain.learn_with(known, is_carried=request.last is not None)
            stop = StopCondition(
                request.seconds, signals, request.pids, request.tids, self._command, request.follow, program.has_targets
            )
            try:
                return self._record(program, drain, until, stop, listener, signals)
            finally:
                stop.close()
        finally:
            program.detach()
            channels.close()

    def _record(
        self,
        program: RecorderProgram,
        drain: Drain,
        until: UntilWatch | None,
        stop: StopCondition,
        listener: Listener,
        signals: StopSignals,
    ) -> Recorded:
        channels = drain.channels
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
            self._read_descriptors(drain, listener)
        attached = self._note_start(program, clock, start, drain, in_progress, looked)
        if self._request.last is not None:
            self._flight = Flight(
                self._request.last,
                self._output,
                self._spools,
                self._segments,
                self._tracker,
                program,
                drain,
                read_clock,
                listener.say,
            )
            self._flight.begin(attached, in_progress, looked, ended_early)
        found = _Start(clock, start, ended_early, in_progress, looked, channels.calls.rings[0].size)
        _log.info("attached; %d threads were in a call that is recorded", len(in_progress))
        if signals.received:
            # Nobody knows yet that it records, and the command has not begun: that is no recording.
            raise InterruptedEarlyError(signals.received[0][0])
        if drain.learner is not None:
            # Files of new processes are opened soon, for calls wait for what is learned from them.
            self._tracker.modules.helpers.prepare()
        listener.started()
        if self._child is not None:
            self._child.release()
        loop = RecordingLoop(
            self._request,
            program,
            drain,
            self._tracker,
            self._spools,
            self._segments,
            stop,
            listener,
            start,
            self._output.used,
            lambda reason, counters, in_progress: self._recorded(program, drain, found, reason, counters, in_progress),
            until,
            self._flight,
            self._windows,
        )
        reason = loop.run()
        self._is_limited = loop.is_limited
        _log.info("stopping: %s", reason)
        return self._stop(program, drain, found, reason)

    def _stop(self, program: RecorderProgram, drain: Drain, found: _Start, reason: str) -> Recorded:
        drain.channels.stop_sampling()
        program.detach()
        drain.drain()
        # A drain takes what is there when it looks; the last records of a busy CPU come with the second one.
        drain.drain()
        counters = drain.counters(program)
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
        recorded = self._recorded(program, drain, found, reason, counters, in_progress_at_end)
        if self._selection.has_kernel_stacks:
            # Read while the program is loaded, for it may have been what ran.
            recorded.kernel_symbols = read_kernel_symbols()
        return recorded

    def _recorded(
        self,
        program: RecorderProgram,
        drain: Drain,
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
            ring_cpus=drain.cpus_online_all_the_time(),
            ring_bytes=found.ring_bytes,
            spooled_bytes=self._spools.bytes_written(SpoolKind.CALLS),
            child=self._child,
            begun=self._segments.begun,
            follows_uring=program.reports_uring,
            has_requests=program.has_requests,
            kernel_symbols=None,
        )
        return recorded if self._flight is None else windowed(recorded, self._flight)

    def _note_start(
        self,
        program: RecorderProgram,
        clock: Clock,
        start: int,
        drain: Drain,
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
            ring_bytes=drain.channels.calls.rings[0].size,
            ring_cpus=drain.channels.calls.cpus,
            follows_uring=program.reports_uring,
            has_requests=program.has_requests,
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

    def _read_descriptors(self, drain: Drain, listener: Listener) -> None:
        """Reads what is open, and drains the rings meanwhile: there may be thousands of processes."""

        def has_room() -> bool:
            return has_room_before_ready(self._request.last, sum(self._spools.sizes.values()))

        if not drain_during(self._tracker.read_descriptors(), drain, has_room, lambda: listener.say(NO_ROOM)):
            _log.info("calls waited in the rings while descriptors were read: there was no room")


def read_clock() -> Clock:
    """CLOCK_MONOTONIC and the wall clock, read at nearly the same time, and the offset of local time from UTC."""
    before = monotonic_ns()
    wall = time.time_ns()
    after = monotonic_ns()
    offset = datetime.now().astimezone().utcoffset()
    return Clock((before + after) // 2, wall, int(offset.total_seconds()) if offset else 0)
