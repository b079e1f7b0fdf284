"""When a recording ends: the time is up, a signal came, or the recorded processes or the command ended."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType, TracebackType

from bpfrec.record.session.child import Child

_FORWARD_AFTER = 0.2
_PATIENCE = 5.0
_LAST_STRAW = 2


class StopSignals:
    """Turns SIGINT, SIGTERM and SIGHUP into a wish to stop while it is entered; the third is a KeyboardInterrupt.

    A SIGHUP that is ignored, as under nohup, stays so. ``ignored``: those that were when it was entered.
    """

    _numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.received: list[tuple[int, float]] = []
        self.ignored: set[int] = set()
        self._before: dict[int, object] = {}

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

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append((number, time.monotonic()))
        if len(self.received) > _LAST_STRAW:
            raise KeyboardInterrupt


class StopCondition:
    """Watches for a reason to stop.

    ``others_live``: whether threads of ``tids`` or followed children are left; asked when all of ``pids`` have ended.
    """

    def __init__(
        self,
        seconds: float | None,
        signals: StopSignals,
        pids: Iterable[int],
        tids: Iterable[int],
        child: Child | None,
        follow: bool,
        others_live: Callable[[], bool],
    ) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._signals = signals
        self._child = child
        self._forwarded = False
        self._tids = list(tids)
        self._others_live = others_live
        self._pidfds: dict[int, int] = {}
        self._poll = select.poll()
        self._ended: list[int] = []
        for pid in pids:
            self._watch(pid)
        self._targets = _targets(len(self._pidfds) + len(self._ended), len(self._tids), follow)

    def close(self) -> None:
        """Closes the descriptors that it watches processes with."""
        for descriptor in self._pidfds.values():
            os.close(descriptor)
        self._pidfds.clear()

    def remaining(self, at_most: float) -> float:
        """Seconds until the time is up, at most ``at_most``."""
        if self._deadline is None:
            return at_most
        return max(0.0, min(at_most, self._deadline - time.monotonic()))

    def reason(self) -> str | None:
        """Why to stop now; None: go on."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "the time was up"
        if self._child is not None:
            return self._child_reason(self._child)
        if self._signals.received:
            return f"{signal.Signals(self._signals.received[0][0]).name}"
        self._notice_ends()
        if self._targets and not self._pidfds and not self._others_live():
            return f"{self._targets} ended"
        return None

    def ended_unseen(self) -> list[int]:
        """The processes and threads that ended before the program was attached. To be called once, right after that."""
        self._notice_ends()
        return self.ended() + [tid for tid in self._tids if not Path(f"/proc/{tid}").exists()]

    def ended(self) -> list[int]:
        """The processes that have ended since this was last asked."""
        ended, self._ended = self._ended, []
        return ended

    def _child_reason(self, child: Child) -> str | None:
        if child.ended():
            return f"{child.argv[0]} {child.outcome}"
        if not self._signals.received:
            return None
        number, when = self._signals.received[0]
        waited = time.monotonic() - when
        # From a terminal the command got the signal itself; it is passed on where the command lives on.
        if waited > _FORWARD_AFTER and not self._forwarded:
            child.signal(number)
            self._forwarded = True
        if waited > _PATIENCE or len(self._signals.received) > 1:
            return signal.Signals(number).name
        return None

    def _watch(self, pid: int) -> None:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            self._ended.append(pid)
            return
        self._pidfds[pid] = descriptor
        self._poll.register(descriptor, select.POLLIN)

    def _notice_ends(self) -> None:
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        for pid, descriptor in list(self._pidfds.items()):
            if descriptor in ready:
                self._poll.unregister(descriptor)
                os.close(descriptor)
                del self._pidfds[pid]
                self._ended.append(pid)


def _targets(processes: int, threads: int, follow: bool) -> str:
    kinds = " and ".join(kind for kind, count in (("process", processes), ("thread", threads)) if count)
    if not kinds:
        return ""
    if processes + threads > 1:
        kinds = kinds.replace("process", "processes").replace("thread", "threads")
    children = f" and {'its' if processes + threads == 1 else 'their'} children" if follow else ""
    return f"{'the' if processes + threads == 1 else 'all'} recorded {kinds}{children}"
