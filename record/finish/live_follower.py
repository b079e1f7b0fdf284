"""Shows calls while recording goes on: a process that gets a small trace of each segment, and is never recorded.

It reads what recorded processes chose, so it has given up all rights that it does not need.
"""

from __future__ import annotations

import logging
import mmap
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.bpf import child_process
from bpfrec.formats.temporary import TemporaryFolder
from bpfrec.record.confinement.confine import confine
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.processes.acting import acting_as
from bpfrec.record.session.output import Output
from bpfrec.record.session.signals import ENDING

if TYPE_CHECKING:
    from bpfrec.record.journal import Mark

_log = logging.getLogger(__name__)

Show = Callable[[Iterator[Path]], None]
"""Shows the calls of the traces that it gets, each as long as it does not ask for the next one."""

_NAME = "bpfrec-live"
_BLOCKED = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
_BLOCK = 1 << 12
_NUMBER = 8
_SEGMENT, _LAST = b".", b"!"
# Seconds between two looks at it, and for how many it has to sleep until it counts as waiting for who reads its output.
_LOOK = 0.1
_ASLEEP = 2.0


class ReadTo:
    """The offset up to which the spool of calls is read: the process that reads tells those that are forked later."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _NUMBER)

    def set(self, offset: int) -> None:
        """Notes that nothing before ``offset`` is needed."""
        self._shared[:] = offset.to_bytes(_NUMBER, "little")

    def get(self) -> int:
        """The offset that was noted last; 0 before that."""
        return int.from_bytes(self._shared[:], "little")


class LiveFollower:
    """The process, which is forked here: before there are threads, rings or BPF programs that it would hold.

    It runs ``show`` as ``identity``, and may do nothing else: it writes in a temporary folder of its own. ``pid``: of
    it. ``read_to``: how far it has read the spool of calls. ``say``: tells the user that it failed or was killed.

    Raises:
        OSError: no temporary folder can be made.
    """

    def __init__(self, output: Output, show: Show, identity: Identity | Unchanged) -> None:
        self._folder = TemporaryFolder()
        orders, self._orders = os.pipe()
        self._reading, reading = os.pipe()
        # It is at its end when the process is.
        self._living, living = os.pipe()
        self.read_to = ReadTo()
        self.say: Callable[[str], None] = lambda _text: None

        def work() -> None:
            os.close(self._orders)
            os.close(self._reading)
            os.close(self._living)
            _confine(identity, output, Path(self._folder.name))
            _run(orders, reading, output.folder, Path(self._folder.name), self.read_to, show)

        self.pid = child_process.start(work, _BLOCKED, _NAME)
        os.close(orders)
        os.close(reading)
        os.close(living)
        os.set_blocking(self._orders, False)
        self._is_running = True
        self._stall = _Stall(self.pid)

    def segment_closed(self, mark: Mark) -> None:  # noqa: ARG002 - it reads the journal, which has the mark
        """Lets it show what was recorded up to ``mark``. One that got no time for long shows several segments."""
        self._order(_SEGMENT)

    def end(self) -> bool:
        """Lets it show the rest, and waits until it needs the spools no more.

        False: nobody reads what it writes, so that it still needs them. It shows the rest when somebody does.
        """
        self._order(_LAST)
        return self._is_at_end(self._reading)

    def wait(self, is_enough: Callable[[], bool] | None = None) -> bool:
        """Waits, after :meth:`end`, until all is shown; False: nobody reads what it writes.

        ``is_enough``: waits also for somebody who reads, until this says that the user does not want to.
        """
        if not self._is_at_end(self._living, is_enough):
            return False
        self._reap()
        return True

    def abandon(self) -> None:
        """Ends it, for the disk has no room for the trace and what it still needs."""
        if self._is_running:
            self._kill()
            self.say(
                "--live: nobody reads what it shows, and the disk is full: not all was shown, and the trace has it"
            )

    def close(self) -> None:
        """Ends it if it still runs."""
        self._kill()
        for descriptor in (self._orders, self._reading, self._living):
            os.close(descriptor)
        self._folder.cleanup()

    def _kill(self) -> None:
        if self._is_running:
            self._is_running = False
            child_process.kill(self.pid)

    def _order(self, order: bytes) -> None:
        if not self._is_running:
            return
        try:
            os.write(self._orders, order)
        except BlockingIOError:
            # It has not read any for hours; it has as many as it needs.
            _log.info("%s does not read its orders", _NAME)
        except BrokenPipeError:
            self._reap()

    def _is_at_end(self, pipe: int, is_enough: Callable[[], bool] | None = None) -> bool:
        """Waits until the process closes its end of ``pipe``; False: it waits for a reader, or that is enough."""
        if not self._is_running:
            return True
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        while not poll.poll(_LOOK * 1000):
            if self._stall.lasts() if is_enough is None else is_enough():
                return False
        return True

    def _reap(self) -> None:
        """Takes its exit status, and tells the user if it is not what it should be."""
        if not self._is_running:
            return
        self._is_running = False
        status = child_process.reap(self.pid) or 0
        if os.WIFSIGNALED(status):
            self.say(
                f"--live: what shows calls was killed by {_signal(os.WTERMSIG(status))}; the trace has all of them"
            )
        elif status:
            self.say("--live: showing calls failed, and BPFREC_LOG=debug shows why; the trace has all of them")


class _Stall:
    """Tells the process ``pid``, when it waits for who reads its output, from one that is slow or gets no time."""

    def __init__(self, pid: int) -> None:
        self._path = Path(f"/proc/{pid}/stat")
        self._before: list[bytes] = []
        self._since = time.monotonic()

    def lasts(self) -> bool:
        """Whether it has slept and used no CPU time for :data:`_ASLEEP` seconds."""
        now = time.monotonic()
        found: list[bytes] = []
        with suppress(OSError):
            # State, and the CPU time of all threads in user mode and in the kernel: proc(5).
            fields = self._path.read_bytes().rpartition(b")")[2].split()
            found = [fields[0], *fields[11:13]]
        if found != self._before or found[:1] != [b"S"]:
            self._before, self._since = found, now
        return now - self._since >= _ASLEEP


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _confine(identity: Identity | Unchanged, output: Output, folder: Path) -> None:
    """Makes this process one that writes in ``folder`` alone, and reads that of ``output``."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    if isinstance(identity, Identity):
        try:
            os.fchown(place, -1, identity.gid)
            os.fchmod(place, 0o770)
            with acting_as(identity.uid, identity.gid, identity.groups):
                os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            identity = Unchanged(f"user {identity.uid} may not use {folder}: {error.strerror}")
    confine(identity, [place], [output.descriptor])
    # All that the reports and DuckDB put aside goes there.
    tempfile.tempdir = str(folder)
    os.environ["TMPDIR"] = str(folder)


def _run(orders: int, reading: int, spools: Path, folder: Path, read_to: ReadTo, show: Show) -> None:
    try:
        show(_traces(orders, reading, spools, folder, read_to))
    finally:
        # Who does not read must not keep others from giving back the room of the spool.
        read_to.set((1 << 63) - 1)


def _traces(orders: int, reading: int, spools: Path, folder: Path, read_to: ReadTo) -> Iterator[Path]:
    """A trace in ``folder`` for each order, or for several that came together, until the last one."""
    from bpfrec.record.finish.segment_traces import SegmentTraces  # noqa: PLC0415 - the recorder does not need it

    made = SegmentTraces(spools, folder, read_to.set)
    is_last = False
    while not is_last and (block := os.read(orders, _BLOCK)):
        is_last = _LAST in block
        made.look()
        if not made.is_attached:
            continue
        trace = made.next(is_last=is_last)
        if is_last:
            os.close(reading)
        yield trace
        trace.unlink()
