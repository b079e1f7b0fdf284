"""Signals that end a recording, and whether a recorded command got them too.

A terminal sends Ctrl-C to all processes of its foreground group, the command among them, and ``timeout`` signals its
child and then its whole group. A signal that the command has got already must not be passed on to it: many programs
end gracefully at the first one and give up at the second. But ``kill`` and a container's runtime signal bpfrec alone.
A second process, the witness, tells the two apart: it is in the same group, does nothing, and notes what it gets.
"""

from __future__ import annotations

import os
import signal
import struct
import time
from contextlib import suppress
from types import FrameType, TracebackType

from bpfrec.bpf import child_process

GROUP_SECONDS = 0.2
"""Seconds within which a signal to a process group reaches all of its members."""

# Signals of one kind within so many seconds are one wish: timeout sends two.
_SAME = 0.5
_NOTE = struct.Struct("<Bd")

_WITNESS = "bpfrec-signals"

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals by which users and supervisors end programs."""


class StopSignals:
    """Notes the signals that end programs while it is entered, instead of dying of them.

    ``received``: number and time (time.monotonic()) of each. ``ignored``: those that were ignored when it was entered;
    SIGHUP stays so then, as under nohup. ``with_quit``: SIGQUIT is noted too. After :meth:`finishing`, the first signal
    prints a warning and the next one is a KeyboardInterrupt.
    """

    def __init__(self, *, with_quit: bool = False) -> None:
        self._numbers = (*ENDING, signal.SIGQUIT) if with_quit else ENDING
        self.received: list[tuple[int, float]] = []
        self.ignored: set[int] = set()
        self._before: dict[int, object] = {}
        self._warning: bytes | None = None
        self._warned_at: float | None = None

    def __enter__(self) -> StopSignals:
        self.ignored = {number for number in self._numbers if signal.getsignal(number) == signal.SIG_IGN}
        for number in self._numbers:
            if number != signal.SIGHUP or number not in self.ignored:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def finishing(self, warning: str) -> None:
        """Recording has stopped. ``warning``: what to print at the next signal, which must not end the writing."""
        self._warning = f"\n{warning}\n".encode()

    def finished(self) -> None:
        """The trace is written: signals are noted only, as before."""
        self._warning = self._warned_at = None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        last = self.received[-1] if self.received else (0, -_SAME)
        self.received.append((number, now))
        if self._warning is None or (last[0] == number and now - last[1] < _SAME):
            return
        if self._warned_at is not None:
            raise KeyboardInterrupt
        self._warned_at = now
        # Straight to the descriptor: the signal may have interrupted whoever else writes there.
        with suppress(OSError):
            os.write(2, self._warning)


class Witness:
    """A process in the group of this one that notes the signals ``numbers`` it gets; it ends with this process."""

    def __init__(self, numbers: tuple[int, ...] = (*ENDING, signal.SIGQUIT)) -> None:
        self._seen: list[tuple[int, float]] = []
        self._notes, notes = os.pipe()
        os.set_blocking(self._notes, False)
        self._pid = child_process.start(lambda: _watch(notes, numbers), numbers, _WITNESS)
        os.close(notes)

    def saw(self, number: int, when: float) -> bool:
        """Whether it got the signal ``number`` at about ``when`` (time.monotonic())."""
        with suppress(BlockingIOError):
            while note := os.read(self._notes, _NOTE.size):
                self._seen.append(_NOTE.unpack(note))
        return any(seen == number and abs(at - when) < GROUP_SECONDS for seen, at in self._seen)

    def close(self) -> None:
        """Ends the process."""
        child_process.kill(self._pid)
        os.close(self._notes)


def _watch(notes: int, numbers: tuple[int, ...]) -> None:
    while True:
        os.write(notes, _NOTE.pack(signal.sigwait(numbers), time.monotonic()))
