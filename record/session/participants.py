"""Who takes part in a recording beside the process that drains the rings."""

from __future__ import annotations

from typing import Protocol

from bpfrec.record.journal import Mark
from bpfrec.record.session.recorded import Progress, Recorded


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
