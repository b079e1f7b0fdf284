"""Shows calls while recording goes on: a process that gets a small trace of each segment, and is never recorded.

It reads what recorded processes chose, so it has given up all rights that it does not need.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import tempfile
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
    it. ``read_to``: how far it has read the spool of calls.

    Raises:
        OSError: no temporary folder can be made.
    """

    def __init__(self, output: Output, show: Show, identity: Identity | Unchanged) -> None:
        self._folder = TemporaryFolder()
        orders, self._orders = os.pipe()
        self._reading, reading = os.pipe()
        self.read_to = ReadTo()

        def work() -> None:
            os.close(self._orders)
            os.close(self._reading)
            _confine(identity, output, Path(self._folder.name))
            _run(orders, reading, output.folder, Path(self._folder.name), self.read_to, show)

        self.pid = child_process.start(work, _BLOCKED, _NAME)
        os.close(orders)
        os.close(reading)
        os.set_blocking(self._orders, False)
        self._is_running = True

    def segment_closed(self, mark: Mark) -> None:  # noqa: ARG002 - it reads the journal, which has the mark
        """Lets it show what was recorded up to ``mark``. One that got no time for long shows several segments."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._orders, _SEGMENT)

    def end(self) -> None:
        """Lets it show the rest, and waits until it needs the spools no more."""
        if not self._is_running:
            return
        os.set_blocking(self._orders, True)
        with suppress(BrokenPipeError):
            os.write(self._orders, _LAST)
        while os.read(self._reading, _BLOCK):
            pass

    def wait(self) -> None:
        """Waits, after :meth:`end`, until all is shown."""
        if self._is_running:
            self._is_running = False
            child_process.reap(self.pid)

    def close(self) -> None:
        """Ends it if it still runs."""
        if self._is_running:
            self._is_running = False
            child_process.kill(self.pid)
        os.close(self._orders)
        os.close(self._reading)
        self._folder.cleanup()


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
