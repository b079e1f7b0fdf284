"""What a recording does over and over until it stops: drain, mark, learn, and look for a reason to stop."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.program import RecorderProgram
from bpfrec.record.request import Request
from bpfrec.record.session.draining import Drain
from bpfrec.record.session.flight import Flight
from bpfrec.record.session.limits import Limits
from bpfrec.record.session.participants import Listener, Windows
from bpfrec.record.session.recorded import Progress, Recorded
from bpfrec.record.session.segments import Segments
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.stop import StopCondition
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.until import UntilWatch
from bpfrec.record.session.working_folder import SpoolKind

_log = logging.getLogger(__name__)

# Seconds between two drains; the short one while something may soon be gone, or while calls wait for a stack.
_TICK = 0.1
_SHORT_TICK = 0.01
_PERF_MAP_SECONDS = 0.1
_REPORT_SECONDS = 0.5

Kept = Callable[[str, dict[str, int], bytes], Recorded]
"""What is recorded up to now: why it ends there, the counters, and the calls in progress as perf samples."""


@dataclass
class RecordingLoop:
    """The loop of a recording that began at ``start_ns`` (CLOCK_MONOTONIC).

    ``used``: how many bytes of the disk it takes. ``kept``: what a flight recorder would write now. ``is_limited``:
    it stopped for a limit or for ``--until``, which does not end a command.
    """

    request: Request
    program: RecorderProgram
    drain: Drain
    tracker: ProcessTracker
    spools: Spools
    segments: Segments
    stop: StopCondition
    listener: Listener
    start_ns: int
    used: Callable[[], int]
    kept: Kept
    until: UntilWatch | None = None
    flight: Flight | None = None
    windows: Windows | None = None
    is_limited: bool = False

    def __post_init__(self) -> None:
        self._was_told = False
        self._next_report = self._next_maps = 0.0

    def run(self) -> str:
        """Drains the rings until there is a reason to stop; the reason."""
        limits = Limits(self.request.max_seconds, self.request.max_bytes, self.used)
        with select.epoll() as epoll:
            for ring in self.drain.channels.rings():
                epoll.register(ring.fileno(), select.EPOLLIN)
            while (reason := self.stop.reason()) is None:
                is_urgent = self.drain.is_urgent or (self.flight is not None and self.flight.is_reading)
                epoll.poll(self.stop.remaining(_SHORT_TICK if is_urgent else _TICK))
                is_marked = self._drain_and_mark()
                limit = self._reason_of_until() or limits.reached(is_marked=is_marked)
                if limit is not None:
                    self.is_limited = True
                    return limit
                if self.flight is not None and self.windows is not None:
                    self.flight.step()
                    self._step_windows(self.flight, self.windows)
                if self.spools.refused is not None:
                    return f"the disk refused: {self.spools.refused.strerror}"
                for pid in () if self.program.knows_ends else self.stop.ended():
                    self.program.forget(pid)
                self._look_around()
        return reason

    def _drain_and_mark(self) -> bool:
        """Drains the rings; whether a segment was closed."""
        mark = self.segments.due(self.program)
        self.drain.drain(learns=True)
        if mark is None:
            return False
        unsent = self.program.unsent()
        self.segments.close(mark, unsent)
        self.drain.look_at(unsent)
        return True

    def _step_windows(self, flight: Flight, windows: Windows) -> None:
        """Begins to write what the flight recorder keeps, if that was asked for and nothing is being written."""
        windows.step(self.listener)
        asked = windows.asked()
        # What led up to a signal is kept until it can be written.
        flight.horizon = asked[0] if asked else None
        if not asked or windows.is_busy or flight.is_reading:
            return
        flight.begin_leg()
        # A call that ends now is in the last drain, or not at all: it counts as in progress only where it is not.
        in_progress, unsent = self.program.calls_in_progress(), self.program.unsent()
        counters = self.drain.counters(self.program)
        self.drain.drain()
        counters["failed_reads"] = self.tracker.careful.failures
        windows.begin(self.kept("SIGUSR1", counters, in_progress), unsent)

    def _reason_of_until(self) -> str | None:
        """Why --until stops the recording now; None: it does not. The user is told at once that the call was made."""
        if self.until is None or not self.until.met:
            return None
        reason = self.until.reason()
        if reason is None and not self._was_told:
            self._was_told = True
            self.listener.say(f"{self.until.met}; recording goes on for {self.request.after:g} s")
        return reason

    def _look_around(self) -> None:
        """Looks for perf maps, and tells how far the recording is, if it is time for that."""
        now = time.monotonic()
        if now >= self._next_maps:
            self.tracker.find_perf_maps()
            self._next_maps = now + _PERF_MAP_SECONDS
        if now >= self._next_report:
            self._report()
            self._next_report = now + _REPORT_SECONDS

    def _report(self) -> None:
        self.drain.cpus_online_all_the_time()
        sent, lost = self.program.sent_and_lost()
        spooled = self.flight.bytes if self.flight is not None else self.spools.bytes_written(SpoolKind.CALLS)
        self.listener.progress(Progress((monotonic_ns() - self.start_ns) / 1e9, sent, lost, spooled))
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("sent %d calls, lost %d; rings at most %s full", sent, lost, self.drain.channels.levels())
