"""Writes what a flight recorder keeps (``--last``) while it goes on: on SIGUSR1, by a process of the lowest priority.

The process is forked, so it knows all that the recorder knows by then. Its files are links to the spools of the legs,
which stay when the recorder removes its own. It has a process without rights make the trace, as the recorder does at
the end; it opens debug files for that one, and gives the trace its name.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bpfrec.bpf import child_process, wire
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.display import Display
from bpfrec.record.finish.gathering import copy_start
from bpfrec.record.finish.priority import lower_priority, raise_priority
from bpfrec.record.processes.helpers import Helpers
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output, prepare
from bpfrec.record.session.signals import ENDING
from bpfrec.record.session.sudo_user import User
from bpfrec.record.session.triggers import NUMBER, Triggers
from bpfrec.record.session.unprivileged import opened
from bpfrec.record.session.working_folder import SpoolKind, spool_in
from bpfrec.record.spool import SpoolWriter, read_chunks
from bpfrec.record.stacks.kernel_symbols import read_kernel_symbols

if TYPE_CHECKING:
    from bpfrec.record.finish.finish import Finished
    from bpfrec.record.session.recorded import Recorded
    from bpfrec.record.session.tracker import ProcessTracker

_log = logging.getLogger(__name__)

# What it imports is slow to import, and recording does not wait for it.
_FINISH = "bpfrec.record.finish.apart"
_NAME = "bpfrec-window"
_BLOCKED = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)
_BLOCK = 1 << 16
_MOST_NAMES = 1000
_BATCH_BYTES = 4 << 20

Unsent = Sequence[tuple[int, bytes, int]]


class Listener(Protocol):
    """Who is told what was written."""

    def say(self, text: str) -> None:
        """A line for the user."""


class WindowWriter:
    """Writes windows, one at a time, beside the target of ``output``; ``triggers`` is entered already.

    ``identity``: as whom they are made. A context manager: at its end, a window that is being written is given up.
    """

    def __init__(
        self, request: Request, output: Output, user: User | None, triggers: Triggers, identity: Identity | Unchanged
    ) -> None:
        self._request, self._output, self._user, self._triggers = request, output, user, triggers
        self._identity = identity
        self._window: Output | None = None
        self._pid = self._results = self._urgent = -1
        self._told: list[bytes] = []
        self._answered = self._waiting = 0

    def __enter__(self) -> WindowWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._window is not None:
            child_process.kill(self._pid)
            # The kernel kills the one that makes the trace as well, and this is at its end when it has.
            os.set_blocking(self._results, True)
            while os.read(self._results, _BLOCK):
                pass
            self._close()

    @property
    def is_busy(self) -> bool:
        """Whether a window is being written."""
        return self._window is not None

    def asked(self) -> list[int]:
        """When it was asked for a window that is not begun yet, ns on CLOCK_MONOTONIC."""
        return list(self._triggers.pending)

    def begin(self, recorded: Recorded, unsent: Unsent) -> None:
        """Begins to write ``recorded``; ``unsent``: batches that are not spooled, as CPU, perf sample, calls.

        What makes that impossible is told at the next :meth:`step`.
        """
        self._answered, self._waiting = self._triggers.take(), 0
        self._told = []
        try:
            self._window = window = _prepared(self._output.target, self._user)
            identity = opened(self._identity, window)
            _link_spools(self._output.folder, window, recorded.legs)
            recorded.more_calls = [_write_unsent(unsent, window, recorded.legs[-1], recorded.stop_ns)]
            recorded.keeps_spools = True
            self._fork(recorded, window, identity)
        except (BpfrecError, OSError) as error:
            _log.info("a window is not written", exc_info=True)
            text = error.message if isinstance(error, BpfrecError) else error.strerror or str(error)
            self._told = [pickle.dumps([f"{NUMBER.name}: nothing is written, for {text}"])]
            self._pid = -1

    def step(self, listener: Listener) -> None:
        """Tells ``listener`` what was written, or that a signal has to wait."""
        if self._window is not None or self._told:
            waiting = len(self._triggers.pending)
            if self.is_busy and waiting > self._waiting:
                listener.say(f"{NUMBER.name} came while a trace is being written: another one follows")
            self._waiting = waiting
            if self._has_ended():
                self._tell(listener)

    def finish(self, listener: Listener) -> None:
        """Waits for the window that is being written, if there is one; recording is over, so it gets more time."""
        if self._window is not None:
            if self._pid > 0:
                raise_priority(self._pid)
                self._hurry()
                os.set_blocking(self._results, True)
            while not self._has_ended():
                pass
            self._tell(listener)
        for _ in range(self._triggers.take()):
            listener.say(f"{NUMBER.name} came as well: the trace of the end has what led up to it")

    def _fork(self, recorded: Recorded, window: Output, identity: Identity | Unchanged) -> None:
        # An import that another thread has begun would never end in the child.
        importlib.import_module(_FINISH)
        files = [*recorded.tracker.modules.files(), *recorded.tracker.perf_maps.files()]
        positions = {file.fileno(): os.lseek(file.fileno(), 0, os.SEEK_CUR) for file in files}
        self._results, results = os.pipe()
        urgent, self._urgent = os.pipe()
        work = _Work(self._request, recorded, window, self._user, identity, positions, results, urgent)
        try:
            self._pid = child_process.start(work.run, _BLOCKED, _NAME)
        finally:
            os.close(results)
            os.close(urgent)
        os.set_blocking(self._results, False)

    def _hurry(self) -> None:
        """Closes our end of a pipe, which tells the process that the trace is urgent now."""
        if self._urgent >= 0:
            os.close(self._urgent)
        self._urgent = -1

    def _has_ended(self) -> bool:
        if self._pid <= 0:
            return True
        try:
            while block := os.read(self._results, _BLOCK):
                self._told.append(block)
        except BlockingIOError:
            return False
        child_process.reap(self._pid)
        return True

    def _tell(self, listener: Listener) -> None:
        lines = [f"{NUMBER.name}: the process that writes the trace has failed, and there is none"]
        with suppress(pickle.UnpicklingError, EOFError):
            # It is from our own process, through a pipe that nobody else has.
            lines = pickle.loads(b"".join(self._told))  # noqa: S301
        self._close()
        for line in lines:
            listener.say(line)
        if self._answered > 1:
            listener.say(f"{NUMBER.name} came {self._answered} times before that trace was begun: there is one for all")

    def _close(self) -> None:
        self._hurry()
        if self._results >= 0:
            os.close(self._results)
        self._pid = self._results = -1
        self._told = []
        window, self._window = self._window, None
        if window is not None:
            window.close()


class _Lines(Display):
    """Collects lines instead of printing them."""

    def __init__(self) -> None:
        super().__init__("")
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def _prepared(target: Path, user: User | None) -> Output:
    """The output for a window of the recording that goes to ``target``: NAME-TIME.bpfrec, or NAME-TIME-N.bpfrec."""
    now = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, _MOST_NAMES):
        name = f"{target.stem}-{now}{f'-{number}' if number > 1 else ''}{target.suffix}"
        if not os.path.lexists(target.with_name(name)):
            break
    return prepare(target.with_name(name), force=False, user=user, keep_old=False)


def _link_spools(folder: Path, window: Output, legs: Sequence[int]) -> None:
    """Gives the spools of ``legs`` names in the folder of ``window``, too. The last leg goes on, so it is copied."""
    for leg in legs:
        for kind in SpoolKind:
            source, target = spool_in(folder, kind, leg), spool_in(window.folder, kind, leg)
            if leg == legs[-1]:
                copy_start(source, target, source.stat().st_size)
                window.share(target)
                continue
            try:
                os.link(source, target)
            except OSError:
                # Not every file system has links.
                shutil.copyfile(source, target)
                window.share(target)


def _write_unsent(unsent: Unsent, window: Output, last: int, when: int) -> Path:
    """Writes the batches ``unsent`` as a spool of calls, without those that were sent to the ``last`` leg meanwhile."""
    sent = spool_in(window.folder, SpoolKind.CALLS, last).read_bytes()
    path = window.folder / "unsent.spool"
    writer = SpoolWriter(path, window.group)
    try:
        for cpu, sample, _calls in unsent:
            # A batch that grew and was sent begins with what it held before.
            if sent.find(wire.batch_of(sample)) < 0:
                writer.write(cpu, when, [memoryview(sample)])
    finally:
        writer.close()
    return path


@dataclass(frozen=True)
class _Work:
    """What the child does: it has the trace made, gives it its name, and tells the recorder what to say.

    ``positions``: of the descriptors that it keeps, see :func:`_separate`. ``results``, ``urgent``: its ends of pipes.
    """

    request: Request
    recorded: Recorded
    window: Output
    user: User | None
    identity: Identity | Unchanged
    positions: dict[int, int]
    results: int
    urgent: int

    def run(self) -> None:
        # First of all: as long as this process has the BPF programs and the rings, the recorder cannot stop them.
        _let_go({*range(3), self.results, self.urgent, *self.window.descriptors, *self.positions})
        lower_priority()
        display = _Lines()
        recorded, window = self.recorded, self.window
        try:
            _separate(recorded.tracker, self.positions)
            if self.request.selection(None).has_kernel_stacks:
                recorded.kernel_symbols = read_kernel_symbols()
            finish: Callable[..., Finished] = importlib.import_module(_FINISH).finish_apart
            finished = finish(
                *(self.request, recorded, window, self.user, lambda _share: None, None, self.identity),
                first=self._leave_ended,
                urgent=self.urgent,
            )
            window.publish(finished.file)
            display.summary(self.request, recorded, finished, window.target, None)
        except BpfrecError as error:
            display.lines = [f"{NUMBER.name}: {window.target} was not written: {error.message}"]
        except OSError as error:
            display.lines = [f"{NUMBER.name}: {window.target} was not written: {error.strerror or error}"]
        with os.fdopen(self.results, "wb") as file:
            pickle.dump(display.lines, file)

    def _leave_ended(self) -> None:
        """Leaves out calls in progress that are in the spools, for they ended meanwhile."""
        recorded = self.recorded
        last = spool_in(self.window.folder, SpoolKind.CALLS, recorded.legs[-1])
        recorded.in_progress_at_end = _still_in_progress(recorded.in_progress_at_end, [last, *recorded.more_calls])


def _let_go(kept: set[int]) -> None:
    """Gives up all descriptors of this process but ``kept``. Their numbers stay taken, for objects may close them."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for number in {int(name) for name in os.listdir("/proc/self/fd")} - kept - {null}:  # noqa: PTH208 - they are numbers
        # One was that of the folder itself.
        with suppress(OSError):
            os.fstat(number)
            os.dup2(null, number, inheritable=False)
    os.close(null)


def _separate(tracker: ProcessTracker, positions: dict[int, int]) -> None:
    """Gives this process what it would share with its parent: positions in open files, and helpers.

    ``positions``: of each descriptor when this process was forked, which is what its file objects reckon with.
    """
    for descriptor, position in positions.items():
        # Where that is refused, this one stays; the parent seldom reads.
        with suppress(OSError):
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            os.lseek(own, position, os.SEEK_SET)
            os.dup2(own, descriptor, inheritable=False)
            os.close(own)
    helpers = Helpers()
    tracker.modules.helpers = helpers
    tracker.perf_maps.use(helpers)


def _still_in_progress(samples: bytes, later: Iterable[Path]) -> bytes:
    """The calls in ``samples`` that are not in the spools ``later``, in which they would have ended."""
    ended = {key for spool in later for chunk in read_chunks(spool, _BATCH_BYTES) for key in _keys(chunk.data)}
    records = wire.decode(np.frombuffer(samples, np.uint8))
    calls = records.calls
    chosen = np.array([key not in ended for key in zip(calls.tid.tolist(), calls.ts.tolist(), strict=True)], bool)
    return b"".join(wire.samples_of(records, chosen)) if len(chosen) else b""


def _keys(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> list[tuple[int, int]]:
    calls = wire.decode(data).calls
    return list(zip(calls.tid.tolist(), calls.ts.tolist(), strict=True))
