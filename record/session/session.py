"""One recording, from loading the program to the rows in the file."""

from __future__ import annotations

import errno
import os
import select
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bpfrec.bpf.event_rings import default_ring_size, open_event_rings
from bpfrec.bpf.perf_event import Ring, online_cpus
from bpfrec.bpf.permission import check_permission, perf_refused
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.sampling import Sampling
from bpfrec.bpf.selection import Selection
from bpfrec.bpf.sideband import Event, open_sideband_rings, parse_events
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import Clock
from bpfrec.record.processes import procfs
from bpfrec.record.processes.calls_in_progress import waiting_calls
from bpfrec.record.request import Request
from bpfrec.record.session.child import Child
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Progress, Recorded
from bpfrec.record.session.stop import StopCondition, StopSignals
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.tracker import Surroundings
from bpfrec.record.spool import SpoolWriter
from bpfrec.record.stacks.kernel_symbols import read_kernel_symbols
from bpfrec.record.stacks.path_learner import LEARNED_CPU, Learner

_TICK = 0.1
_SHORT_TICK = 0.01
_PERF_MAP_SECONDS = 0.1
_SIDEBAND_BYTES = 1 << 20
_SNAPSHOT_BYTES = 1 << 25
# A path is to be learned soon: until then each call by it sends a snapshot.
_SNAPSHOT_WATERMARK = 1 << 14
# Without copies of stacks, samples have 2 KiB at most.
_SAMPLE_BYTES = {"full": 1 << 24, "fp": 1 << 21, "off": 1 << 18}


class Listener(Protocol):
    """Who is told how a recording goes."""

    def started(self) -> None:
        """From now on every call is recorded."""

    def progress(self, now: Progress) -> None:
        """Called about twice a second."""


def record(request: Request, output: Output, user: User | None, listener: Listener, signals: StopSignals) -> Recorded:
    """Records what ``request`` asks for into the spools of ``output``.

    Raises:
        BpfrecError: recording is not possible; a command that was to be recorded has then been ended.
    """
    check_permission()
    child = Child(request.command, user, signals.ignored) if request.command else None
    try:
        return _Session(request, output, child).run(listener, signals)
    except BaseException:
        if child is not None:
            child.abandon()
        raise


@dataclass
class _Kernel:
    """The kernel's side of a session: the program and the rings that it and perf write to."""

    program: RecorderProgram
    rings: list[Ring] = field(default_factory=list)
    snapshots: list[Ring] = field(default_factory=list)
    sideband: list[Ring] = field(default_factory=list)
    samples: list[Ring] = field(default_factory=list)
    sampling: Sampling | None = None

    def open_rings(self, size: int | None, selection: Selection) -> None:
        """Opens the side band, whose events count from here on, and the rings for calls, ``size`` bytes each.

        And those for what else ``selection`` asks for.
        """
        cpus = online_cpus()
        try:
            self.sideband = open_sideband_rings(cpus, _SIDEBAND_BYTES)
            self.rings = open_event_rings(cpus, size or default_ring_size(len(cpus)))
            if selection.has_full_stacks:
                self.snapshots = open_event_rings(
                    cpus, min(_SNAPSHOT_BYTES, default_ring_size(len(cpus))), _SNAPSHOT_WATERMARK
                )
            if selection.profile:
                self.samples = open_event_rings(
                    cpus, min(_SAMPLE_BYTES[selection.stacks], default_ring_size(len(cpus)))
                )
        except OSError as error:
            raise perf_refused(error) from None
        if selection.profile:
            self.sampling = Sampling(cpus, selection.profile, self.program.sampling(self.samples))

    def attach(self) -> None:
        """Starts recording."""
        self.program.attach()
        if self.sampling is not None:
            self.sampling.start()

    def detach(self) -> None:
        """Stops recording."""
        if self.sampling is not None:
            self.sampling.stop()
        self.program.detach()

    def close(self) -> None:
        """Unloads the program and unmaps the rings."""
        if self.sampling is not None:
            self.sampling.close()
        self.program.close()
        for ring in (*self.rings, *self.snapshots, *self.samples, *self.sideband):
            ring.close()


class _Session:
    def __init__(self, request: Request, output: Output, child: Child | None) -> None:
        self._request, self._output, self._child = request, output, child
        self._calls = SpoolWriter(output.calls_spool)
        self._sideband = SpoolWriter(output.sideband_spool)
        self._snapshots = SpoolWriter(output.snapshots_spool)
        self._samples = SpoolWriter(output.samples_spool)
        self._learner: Learner | None = None
        self._disk_error: OSError | None = None
        self._selection = request.selection(child.pid if child else None)
        wanted = request.processes()
        if wanted is not None and child is not None:
            wanted.add(child.pid)
        unborn = child.pid if child else None
        self._surroundings = Surroundings(wanted, request.follow or child is not None, unborn, request.command)

    def run(self, listener: Listener, signals: StopSignals) -> Recorded:
        request, child = self._request, self._child
        kernel = _Kernel(RecorderProgram(self._selection))
        try:
            # The side band first, then the snapshot: what changes in between is in both, never in neither.
            kernel.open_rings(request.ring_bytes, self._selection)
            self._surroundings.snapshot()
            if request.comm is not None:
                kernel.program.add_named_processes(_named(request.comm))
            kernel.program.connect(kernel.rings)
            if self._selection.has_full_stacks:
                self._learner = Learner(kernel.program.known_paths(kernel.snapshots), self._surroundings.modules)
            stop = StopCondition(
                request.seconds,
                signals,
                request.pids,
                request.tids,
                child,
                request.follow,
                kernel.program.has_targets,
            )
            try:
                return self._record(kernel, stop, listener)
            finally:
                stop.close()
        finally:
            kernel.close()
            for spool in (self._calls, self._sideband, self._snapshots, self._samples):
                spool.close()

    def _record(self, kernel: _Kernel, stop: StopCondition, listener: Listener) -> Recorded:
        program = kernel.program
        clock = read_clock()
        kernel.attach()
        for ended in stop.ended_unseen():
            program.forget(ended)
        start = time.monotonic_ns()
        waiting = list(waiting_calls(self._at_the_start(), self._selection))
        self._read_descriptors(kernel)
        listener.started()
        if self._child is not None:
            self._child.release()
        reason = self._drain_until(kernel, stop, listener, start)
        kernel.detach()
        self._drain(kernel)
        # A drain takes what is there when it looks; the last records of a busy CPU come with the second one.
        self._drain(kernel)
        counters = program.counters()
        counters["throttled_samples"] = kernel.sampling.throttled() if kernel.sampling is not None else 0
        for cpu, sample, calls in program.unsent():
            self._spool(self._calls, cpu, [memoryview(sample)])
            counters["sent_syscalls"] += calls
        self._surroundings.look_for_perf_maps(finally_=True)
        return Recorded(
            clock=clock,
            start_ns=start,
            stop_ns=time.monotonic_ns(),
            stopped=reason,
            counters=counters,
            lost_by_cpu=program.lost_syscalls_by_cpu(),
            lost_runs=program.lost_runs(),
            under_way=program.calls_under_way(),
            waiting=waiting,
            surroundings=self._surroundings,
            ring_bytes=kernel.rings[0].size,
            spooled_bytes=self._calls.bytes_written,
            child=self._child,
            # While the program is loaded: it may have been what ran.
            kernel_symbols=read_kernel_symbols() if self._selection.samples_stacks else None,
        )

    def _at_the_start(self) -> set[int]:
        """The processes that can be in a call to be recorded when recording begins."""
        wanted = self._surroundings.wanted
        own = {os.getpid()} | ({self._child.pid} if self._child else set())
        return (set(procfs.pids()) if wanted is None else wanted) - own

    def _read_descriptors(self, kernel: _Kernel) -> None:
        """Reads what is open, and drains the rings meanwhile: there may be thousands of processes."""
        next_drain = time.monotonic() + _TICK
        for _ in self._surroundings.read_descriptors():
            if time.monotonic() >= next_drain:
                self._drain(kernel)
                next_drain = time.monotonic() + _TICK

    def _drain_until(self, kernel: _Kernel, stop: StopCondition, listener: Listener, start: int) -> str:
        program = kernel.program
        epoll = select.epoll()
        for ring in (*kernel.rings, *kernel.snapshots, *kernel.samples, *kernel.sideband):
            epoll.register(ring.fileno(), select.EPOLLIN)
        next_report = next_maps = 0.0
        try:
            while (reason := stop.reason()) is None:
                is_urgent = self._surroundings.is_lively or (self._learner is not None and self._learner.is_behind)
                epoll.poll(stop.remaining(_SHORT_TICK if is_urgent else _TICK))
                self._drain(kernel)
                self._learn()
                if self._disk_error is not None:
                    return f"the disk refused: {self._disk_error.strerror}"
                for pid in () if program.knows_ends else stop.ended():
                    program.forget(pid)
                now = time.monotonic()
                if now >= next_maps:
                    self._surroundings.look_for_perf_maps()
                    next_maps = now + _PERF_MAP_SECONDS
                if now >= next_report:
                    sent, lost = program.sent_and_lost()
                    listener.progress(
                        Progress((time.monotonic_ns() - start) / 1e9, sent, lost, self._calls.bytes_written)
                    )
                    next_report = now + 0.5
            return reason
        finally:
            epoll.close()

    def _drain(self, kernel: _Kernel) -> None:
        for rings, spool in ((kernel.rings, self._calls), (kernel.samples, self._samples)):
            for ring in rings:
                head, slices = ring.pending()
                if slices:
                    self._spool(spool, ring.cpu, slices)
                    ring.release(head)
        now = time.monotonic_ns()
        events: list[Event] = []
        for ring in kernel.sideband:
            head, slices = ring.pending()
            if slices:
                data = b"".join(slices)
                ring.release(head)
                self._spool(self._sideband, ring.cpu, [memoryview(data)])
                events += parse_events(data)
        self._surroundings.notice(events, now)
        for ring in kernel.snapshots:
            head, slices = ring.pending()
            if slices:
                data = b"".join(slices)
                ring.release(head)
                self._spool(self._snapshots, ring.cpu, [memoryview(data)])
                if self._learner is not None:
                    self._learner.take(ring.cpu, data)
        if self._learner is not None:
            self._learner.notice(events)

    def _learn(self) -> None:
        learned = self._learner.work() if self._learner is not None else b""
        if learned:
            self._spool(self._snapshots, LEARNED_CPU, [memoryview(learned)])

    def _spool(self, spool: SpoolWriter, cpu: int, slices: list[memoryview]) -> None:
        if self._disk_error is not None:
            return
        try:
            spool.write(cpu, time.monotonic_ns(), slices)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise BpfrecError(f"{self._output.folder}: {error.strerror}") from None
            self._disk_error = error


def read_clock() -> Clock:
    """CLOCK_MONOTONIC and the wall clock, read as close together as can be."""
    before = time.monotonic_ns()
    wall = time.time_ns()
    after = time.monotonic_ns()
    offset = datetime.now().astimezone().utcoffset()
    return Clock((before + after) // 2, wall, int(offset.total_seconds()) if offset else 0)


def _named(comm: str) -> frozenset[int]:
    # The kernel keeps 15 bytes of a name.
    kept = os.fsencode(comm)[:15].decode("utf-8", "backslashreplace")
    return frozenset(pid for pid in procfs.pids() if procfs.comm(pid, pid) == kept)
