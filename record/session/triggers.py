"""SIGUSR1, which has a flight recorder (``--last``) write what it keeps while it goes on."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from bpfrec.bpf.clock import monotonic_ns

NUMBER = signal.SIGUSR1
"""The signal."""


class Triggers:
    """Notes each SIGUSR1 while it is entered. ``pending``: when they came, ns on CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self.pending: list[int] = []
        self._before: object = None

    def __enter__(self) -> Triggers:
        self._before = signal.signal(NUMBER, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(NUMBER, self._before)  # type: ignore[arg-type]

    def take(self) -> int:
        """How many are pending; from now on none is."""
        taken = len(self.pending)
        del self.pending[:taken]
        return taken

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.pending.append(monotonic_ns())
