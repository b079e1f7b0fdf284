"""Empties the rings of a recording, and gives what they held to those who need it while the recording goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.known_stacks import KnownStacks
from bpfrec.bpf.perf_event import online_cpus
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.sideband import Event, parse_events
from bpfrec.record.session.channel import Channels
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.until import UntilWatch
from bpfrec.record.session.working_folder import SpoolKind

if TYPE_CHECKING:
    from bpfrec.record.stacks.stack_learner import StackLearner

# Seconds between two drains while something else is done.
_TICK = 0.1


class Drain:
    """Drains ``channels``: side band events go to ``tracker``, snapshots to :attr:`learner`, calls to ``until``.

    All that the rings held is in ``spools`` by then. ``learner``: None: no snapshots are taken, or :meth:`learn_with`
    was not called.
    """

    def __init__(
        self, channels: Channels, tracker: ProcessTracker, spools: Spools, until: UntilWatch | None = None
    ) -> None:
        self.channels, self._tracker, self._spools, self._until = channels, tracker, spools, until
        self.learner: StackLearner | None = None
        self._events: list[Event] = []
        self._throttled = 0
        self._ring_cpus = channels.calls.cpus
        careful = tracker.careful
        channels.side_band.consumer = careful.wrapped("reading the side band", self._take_events)
        if until is not None:
            channels.calls.consumer = careful.wrapped("looking for the call of --until", until.take)

    def learn_with(self, known: KnownStacks, *, is_carried: bool) -> None:
        """From now on, stacks are learned of the snapshots, and made ``known``; see :class:`.StackLearner`."""
        from bpfrec.record.stacks.stack_learner import StackLearner  # noqa: PLC0415 - not wanted for --stacks off

        self.learner = learner = StackLearner(known, self._tracker.modules, is_carried=is_carried)
        if self.channels.snapshots is not None:
            consumer = self._tracker.careful.wrapped("reading snapshots", learner.take)
            self.channels.snapshots.consumer = consumer

    @property
    def is_urgent(self) -> bool:
        """Whether the next drain should come soon: something may be gone, or calls wait for a stack."""
        return self._tracker.is_lively or (self.learner is not None and self.learner.is_behind)

    def cpus_online_all_the_time(self) -> frozenset[int]:
        """The CPUs that were online at the start and whenever this was asked: their rings have been open all the time.

        The kernel closes the events of a CPU that goes offline, and does not open them when it comes back.
        """
        self._ring_cpus &= set(online_cpus())
        return self._ring_cpus

    def drain(self, *, learns: bool = False) -> None:
        """Empties all rings; ``learns``: and learns stacks for a while."""
        for channel in (self.channels.calls, self.channels.samples, self.channels.sched):
            if channel is not None:
                channel.drain()
        events, now = self._drain_side_band()
        snapshots = self.channels.snapshots
        taken = snapshots.take() if snapshots is not None else []
        self._forget(events, now)
        # Until a stack is known, each call with it sends a snapshot: what has come is learned before it is written.
        learned = self._learned() if learns else b""
        if snapshots is not None:
            snapshots.keep(taken)
        if learned:
            self._spools.append(SpoolKind.LEARNED, learned)

    def drain_side_band(self) -> None:
        """Empties the rings of the side band alone: what processes do is known, and the other rings fill up."""
        self._forget(*self._drain_side_band())

    def _drain_side_band(self) -> tuple[list[Event], int]:
        """What processes did since the last time, and when that was asked."""
        now = monotonic_ns()
        self.channels.side_band.drain()
        events, self._events = self._events, []
        self._tracker.notice(events, now)
        return events, now

    def _forget(self, events: list[Event], now: int) -> None:
        if self.learner is not None:
            with self._tracker.careful.about("forgetting stacks"):
                self.learner.notice(events, now)

    def look_at(self, unsent: Sequence[tuple[int, bytes, int]]) -> None:
        """Looks for the call of --until in batches that are not full, which a quiet machine does not send for long."""
        if self._until is not None:
            with self._tracker.careful.about("looking for the call of --until"):
                for cpu, sample, _calls in unsent:
                    self._until.take(cpu, sample)

    def _learned(self) -> bytes:
        """Learns stacks of the snapshots that were drained, for a while; the records to spool."""
        learned = b""
        if self.learner is not None:
            with self._tracker.careful.about("learning stacks"):
                learned = self.learner.work()
        return learned

    def counters(self, program: RecorderProgram) -> dict[str, int]:
        """The counters of ``program``, and how often the kernel stopped a timer of samples."""
        self._throttled += self.channels.throttled_samples()
        return program.counters() | {"throttled_samples": self._throttled}

    def _take_events(self, _cpu: int, data: bytes) -> None:
        self._events += parse_events(data)


def drain_during(work: Iterable[object], drain: Drain, has_room: Callable[[], bool], full: Callable[[], None]) -> bool:
    """Does ``work`` step by step, and drains the rings meanwhile as long as there is room for what they hold.

    From then on, the side band alone is drained: calls wait in the rings as long as these last, and the BPF program
    counts what finds no room there. ``full`` is called when that begins. Returns whether there was room all the time.
    """
    is_full = False
    next_drain = time.monotonic() + _TICK
    for _ in work:
        if time.monotonic() < next_drain:
            continue
        if not is_full and not has_room():
            is_full = True
            full()
        if is_full:
            drain.drain_side_band()
        else:
            drain.drain()
        next_drain = time.monotonic() + _TICK
    return not is_full
