"""The legs of a recording of which the last part alone is kept: which there are, when the next begins, which may go.

A leg has spools of its own, and says what processes were and had open when it began. So a trace can begin where any leg
does, and the spools of the legs after it go on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Mark
from bpfrec.record.options.last import Last
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.session.tracker import InitialState

# So many legs make up what is kept, and one more is being recorded.
_LEGS_IN_TIME, _LEGS_IN_SIZE = 4, 5
# Reading processes again may take this share of the time.
_READING_SHARE = 0.05
# The disk is looked at only now and then, and by then more has come.
_FILLED_SHARE = 15 / 16
_SECOND = 1_000_000_000

NO_ROOM = (
    "--last: its room is full before all processes are read; calls are lost, and counted, until they are. More room "
    "would keep them"
)
"""What the user is told when that happens."""


def has_room_before_ready(last: Last | None, size: int) -> bool:
    """Whether the first leg, which has ``size`` bytes, may have more of them before all processes are read.

    Nothing of it can be dropped by then, for a trace begins with what is read. The other half of the room is for what
    comes while processes are read for the second leg.
    """
    return last is None or last.size is None or size < last.size * _FILLED_SHARE / 2


@dataclass
class Leg:
    """A leg that began at ``start_ns`` (CLOCK_MONOTONIC). ``bytes``: of its spools, when the next one began.

    ``before``: the counters at its beginning; ``failures``: of :class:`.Careful` then. ``in_progress``: the calls that
    threads were in when the recording began, and may still be in. ``ended``: followed processes that had ended.
    ``ended_early``: those that ended before the recording began. ``is_ready``: all is read that a trace begins with.
    """

    number: int
    start_ns: int
    clock: Clock
    initial: InitialState
    before: Mark
    failures: int = 0
    in_progress: Sequence[CallInProgress] = ()
    ended: frozenset[int] = frozenset()
    ended_early: Sequence[int] = ()
    is_ready: bool = False
    bytes: int = 0


@dataclass
class Legs:
    """The legs that are kept so that there is always ``last``, the oldest first.

    ``reading_ns``: how long the last reading of processes took.
    """

    last: Last
    kept: list[Leg] = field(default_factory=list)
    reading_ns: int = 0

    @property
    def current(self) -> Leg:
        """The leg that is being recorded."""
        return self.kept[-1]

    @property
    def first(self) -> Leg:
        """The leg with which a trace of all that is kept begins."""
        return next(leg for leg in self.kept if leg.is_ready)

    def used(self) -> list[Leg]:
        """The legs that belong to such a trace."""
        return self.kept[self.kept.index(self.first) :]

    def is_due(self, now: int, size: int) -> bool:
        """Whether another leg is to begin at ``now`` (ns, CLOCK_MONOTONIC); the current one has ``size`` bytes."""
        if not self.current.is_ready:
            return False
        is_rested = now - self.current.start_ns >= self.reading_ns / _READING_SHARE
        if self.last.seconds is not None:
            return is_rested and now - self.current.start_ns >= self.last.seconds * _SECOND / _LEGS_IN_TIME
        most = self.last.size or 0
        # A busy machine fills the disk sooner than its processes can be read with ease.
        return size >= most / 2 or (is_rested and size >= most / _LEGS_IN_SIZE)

    def begin(self, leg: Leg, size: int) -> None:
        """Makes ``leg`` the current one; the one before has ``size`` bytes."""
        if self.kept:
            self.current.bytes = size
        self.kept.append(leg)

    def drop(self, now: int, size: int) -> list[Leg]:
        """Takes out the legs that are not needed at ``now``; the current one has ``size`` bytes."""
        dropped: list[Leg] = []
        while len(self.kept) > 1 and self.kept[1].is_ready and self._is_unneeded(now, size):
            dropped.append(self.kept.pop(0))
        return dropped

    def is_too_large(self, size: int) -> bool:
        """Whether the legs take more than they may; the current one has ``size`` bytes."""
        return self.last.size is not None and self.bytes(size) > self.last.size * _FILLED_SHARE

    def bytes(self, size: int) -> int:
        """Bytes of all spools; the current leg has ``size``."""
        return size + sum(leg.bytes for leg in self.kept[:-1])

    def _is_unneeded(self, now: int, size: int) -> bool:
        if self.last.seconds is not None:
            return self.kept[1].start_ns <= now - self.last.seconds * _SECOND
        return self.is_too_large(size)
