"""A flight recorder, ``--last``: begins legs while a recording goes on, and removes those that are not needed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.snapshots import cpu_of, samples_of
from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Attached, Mark
from bpfrec.record.options.last import Last
from bpfrec.record.processes import procfs
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.session.draining import Drain
from bpfrec.record.session.legs import NO_ROOM, Leg, Legs
from bpfrec.record.session.output import Output
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.segments import Segments, mark_of
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.tracker import InitialState, ProcessTracker
from bpfrec.record.session.working_folder import SpoolKind, spool_in

if TYPE_CHECKING:
    from bpfrec.record.stacks.stack_learner import StackLearner

_log = logging.getLogger(__name__)

# The rings are not drained while processes are read: seconds that this may last. It takes as long as all else did since
# the last time, within these bounds, so that a busy machine gets on with it too.
_SHORTEST_TURN, _LONGEST_TURN = 0.02, 0.2


@dataclass
class Flight:
    """Keeps the last part of a recording: call :meth:`begin` when it has begun, and :meth:`step` after each drain.

    ``drain``: empties the rings. ``read_clock``: reads the clocks. ``say``: tells the user something.
    """

    last: Last
    output: Output
    spools: Spools
    segments: Segments
    tracker: ProcessTracker
    program: RecorderProgram
    drain: Drain
    read_clock: Callable[[], Clock]
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.legs = Legs(self.last)
        self._reading: Iterator[int] | None = None
        self._reading_ns = self._looked_ns = 0
        self._attached: Attached | None = None
        self._last_turn = time.monotonic()
        self._was_told = False
        self.horizon: int | None = None
        """The time (ns, CLOCK_MONOTONIC) that must stay as far back as ``last`` says, if it is earlier than now."""

    def begin(self, attached: Attached, in_progress: list[CallInProgress], looked_ns: int, ended: list[int]) -> None:
        """Notes the first leg, of which all is read; the arguments are what the journal has of it."""
        self._attached, self._looked_ns = attached, looked_ns
        none = Mark(attached.start_ns, {}, {}, [])
        initial = self.tracker.initial
        first = Leg(0, attached.start_ns, attached.clock, initial, none, 0, in_progress, frozenset(), ended, True)
        self.legs.begin(first, 0)

    @property
    def is_reading(self) -> bool:
        """Whether processes are being read."""
        return self._reading is not None

    @property
    def bytes(self) -> int:
        """Bytes of all spools that are kept."""
        return self.legs.bytes(self._size())

    @property
    def start_ns(self) -> int:
        """When the recording began."""
        return self.legs.kept[0].start_ns if self._attached is None else self._attached.start_ns

    def step(self) -> None:
        """Begins a leg if it is time for one, reads on for the current one, and removes what is not needed."""
        if self._reading is None and self.legs.is_due(monotonic_ns(), self._size()):
            self.begin_leg()
        now = time.monotonic()
        self._read_on(now + min(_LONGEST_TURN, max(_SHORTEST_TURN, now - self._last_turn)))
        self._last_turn = time.monotonic()
        while self.legs.is_too_large(self._size()) and len(self.legs.kept) > 1 and not self.legs.kept[1].is_ready:
            # There is no room for what the processes do meanwhile: it stays in the rings as long as these last, and
            # the BPF program counts what finds no room there.
            if not self._was_told:
                self._was_told = True
                self.say(NO_ROOM)
            self._read_on(time.monotonic() + _LONGEST_TURN)
            self.drain.drain_side_band()
        until = monotonic_ns()
        for leg in self.legs.drop(until if self.horizon is None else min(until, self.horizon), self._size()):
            self._remove(leg)

    def begin_leg(self) -> None:
        """Begins another leg now; the reading of the current one must be over."""
        attached = self._attached
        if attached is None or self.spools.refused is not None:
            return
        before = self.legs.current
        if self.drain.learner is not None:
            self.drain.learner.forget_gone()
        mark = mark_of(self.program)
        self.drain.drain()
        self.segments.close(mark, self.program.unsent())
        number, size = before.number + 1, self._size()
        self.spools.begin_leg(number)
        start, clock, tracker = monotonic_ns(), self.read_clock(), self.tracker
        tracker.modules.generation = number
        in_progress = [call for call in before.in_progress if _is_still_in(call)]
        leg = Leg(
            number, start, clock, InitialState(), mark, tracker.careful.failures, in_progress, ended=tracker.ended()
        )
        self.legs.begin(leg, size)
        self.segments.begin_leg()
        entry = replace(
            attached,
            clock=clock,
            start_ns=start,
            wanted=tracker.wanted,
            command_pid=None,
            recording_start_ns=attached.start_ns,
            counters_before=mark.counters,
            lost_before=mark.lost_by_cpu,
        )
        self.segments.attached(entry, in_progress, self._looked_ns)
        if self.drain.learner is not None:
            with tracker.careful.about("carrying stacks over"):
                self._carry(self.drain.learner, start)
        self._reading, self._reading_ns = tracker.read_again(leg.initial), 0
        _log.info("leg %d begins: %d are kept, %d bytes", number, len(self.legs.kept), self.bytes)

    def _carry(self, learner: StackLearner, start: int) -> None:
        snapshots, learned = learner.carried(start)
        for snapshot in snapshots:
            self.spools.write(SpoolKind.SNAPSHOTS, cpu_of(snapshot), [memoryview(samples_of(snapshot))])
        self.spools.append(SpoolKind.LEARNED, learned)

    def _read_on(self, until: float) -> None:
        """Reads processes for the current leg until ``until`` (time.monotonic())."""
        if self._reading is None:
            return
        begin = monotonic_ns()
        is_over = False
        while not is_over and time.monotonic() < until:
            is_over = next(self._reading, None) is None
        self._reading_ns += monotonic_ns() - begin
        if is_over:
            leg = self.legs.current
            self._reading = None
            leg.is_ready, self.legs.reading_ns = True, self._reading_ns
            self.segments.note_descriptors(leg.initial.descriptors)
            _log.info("leg %d: processes were read in %.3f s", leg.number, self._reading_ns / 1e9)

    def _size(self) -> int:
        return sum(self.spools.sizes.values())

    def _remove(self, leg: Leg) -> None:
        for kind in SpoolKind:
            with suppress(OSError):
                spool_in(self.output.folder, kind, leg.number).unlink()
        first = self.legs.kept[0]
        self.tracker.forget(first.start_ns, first.ended, first.number)
        self.program.forget_losses(first.start_ns)
        _log.info("leg %d is removed", leg.number)


def windowed(recorded: Recorded, flight: Flight) -> Recorded:
    """``recorded`` without what ``flight`` has dropped: it and its counts begin with the first leg that is kept."""
    legs = flight.legs.used()
    first = legs[0]
    before = first.before.counters | {"failed_reads": first.failures}
    lost_before = first.before.lost_by_cpu or [0] * len(recorded.lost_by_cpu)
    # The history of processes begins there, too. Recording goes on without it.
    recorded.tracker.initial = first.initial
    return replace(
        recorded,
        clock=first.clock,
        start_ns=first.start_ns,
        ended_early=list(first.ended_early),
        counters={name: max(0, count - before.get(name, 0)) for name, count in recorded.counters.items()},
        lost_by_cpu=[max(0, now - then) for now, then in zip(recorded.lost_by_cpu, lost_before, strict=True)],
        lost_bursts=[burst for burst in recorded.lost_bursts if burst.last >= first.start_ns],
        in_progress_at_start=list(first.in_progress),
        spooled_bytes=sum(_size_of_calls(flight.output.folder, leg) for leg in legs),
        legs=[leg.number for leg in legs],
        recording_start_ns=flight.start_ns if first.number else None,
    )


def _size_of_calls(folder: Path, leg: Leg) -> int:
    """Bytes of the calls of ``leg``."""
    return spool_in(folder, SpoolKind.CALLS, leg.number).stat().st_size


def _is_still_in(call: CallInProgress) -> bool:
    """Whether the thread of ``call`` is in such a call now; one that made another since is heard of anyway."""
    now = procfs.call_of(call.pid, call.tid)
    return now is not None and now[0] == call.number and now[1][: len(call.arguments)] == call.arguments
