"""When a recording ends: the time is up, a signal came, or the recorded processes or the command ended."""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from bpfrec.record.processes import procfs
from bpfrec.record.session.command import Command
from bpfrec.record.session.signals import StopSignals

_LOOK_SECONDS = 0.25


class StopCondition:
    """Watches for a reason to stop.

    ``command``: with one, only its end and the time are reasons; signals are for the command. ``others_live``: whether
    threads of ``tids`` or followed children are left; asked when all of ``pids`` have ended.
    """

    def __init__(
        self,
        seconds: float | None,
        signals: StopSignals,
        pids: Iterable[int],
        tids: Iterable[int],
        command: Command | None,
        follow: bool,
        others_live: Callable[[], bool],
    ) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._signals = signals
        self._command = command
        self._tids = list(tids)
        self._others_live = others_live
        self._pidfds: dict[int, int] = {}
        self._most_pidfds = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4
        self._started: dict[int, int] = {}
        self._looked = 0.0
        self._poll = select.poll()
        self._ended: list[int] = []
        for pid in pids:
            self._watch(pid)
        self._targets = _targets(len(self._pidfds) + len(self._started) + len(self._ended), len(self._tids), follow)

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
        if self._command is not None:
            self._command.pass_on()
            child = self._command.child
            return f"{child.argv[0]} {child.outcome}" if child.ended() else None
        if self._signals.received:
            return f"{signal.Signals(self._signals.received[0][0]).name}"
        self._notice_ends()
        if self._targets and not self._pidfds and not self._started and not self._others_live():
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

    def _watch(self, pid: int) -> None:
        if len(self._pidfds) >= self._most_pidfds:
            # Descriptors are few: of the rest, /proc tells.
            started = procfs.started(pid)
            if started is None:
                self._ended.append(pid)
            else:
                self._started[pid] = started
            return
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
        if self._started and time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            for pid, started in list(self._started.items()):
                if procfs.started(pid) != started:
                    del self._started[pid]
                    self._ended.append(pid)


def _targets(processes: int, threads: int, follow: bool) -> str:
    kinds = " and ".join(kind for kind, count in (("process", processes), ("thread", threads)) if count)
    if not kinds:
        return ""
    if processes + threads > 1:
        kinds = kinds.replace("process", "processes").replace("thread", "threads")
    children = f" and {'its' if processes + threads == 1 else 'their'} children" if follow else ""
    return f"{'the' if processes + threads == 1 else 'all'} recorded {kinds}{children}"
