"""Converts calls while recording goes on: a process of the lowest priority, which the BPF program never records.

The recorder tells it after each mark how far the spool of calls may be read. What it has no time for is done at the
end, with normal priority, while the recorder reads stacks.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bpfrec.bpf import child_process
from bpfrec.record.confinement.confine import confine
from bpfrec.record.confinement.identity import Identity, Unchanged
from bpfrec.record.finish.priority import lower_priority, raise_priority
from bpfrec.record.session.output import Output
from bpfrec.record.session.signals import ENDING
from bpfrec.record.session.working_folder import SpoolKind, saved_part_in

if TYPE_CHECKING:
    from bpfrec.record.finish.call_parts import Converted
    from bpfrec.record.journal import Mark

_log = logging.getLogger(__name__)

_TAG = "live"
# A part is saved, and its room in the spool given back, when it was made of so many bytes.
_PART_BYTES = 1 << 28
_FIRST_BYTES = 1 << 20
_NAME = "bpfrec-convert"
_BLOCK = 1 << 16
# malloc.h: larger blocks than the first are mapped one by one; more free memory than the second is given back.
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
_KEPT_BYTES = 1 << 28


class LiveConverter:
    """The process, which is forked here: before there are threads, rings or BPF programs that it would hold.

    ``pid``: of it. ``read_to``: up to where others have read the spool of calls, whose room is not given back before;
    None: nobody else reads it. Its files are in the folder of ``output``, which may not be closed before :meth:`close`.
    It works as ``identity``, and may do nothing else than its work.
    """

    def __init__(
        self,
        output: Output,
        identity: Identity | Unchanged,
        *,
        failed_only: bool,
        read_to: Callable[[], int] | None = None,
    ) -> None:
        self._output = output
        orders, self._orders = os.pipe()
        self._results, results = os.pipe()

        def work() -> None:
            os.close(self._orders)
            os.close(self._results)
            _run(orders, results, output, identity, failed_only, read_to)

        self.pid = child_process.start(work, _BLOCKED, _NAME)
        os.close(orders)
        os.close(results)
        os.set_blocking(self._orders, False)
        self._is_running, self._was_told = True, False

    def segment_closed(self, mark: Mark) -> None:
        """Lets it read the spool of calls up to ``mark``. A process that got no time for long learns of a later one.

        It is left asleep until there is so much to read that its imports, a quarter of a second, are worth it.
        """
        size = mark.bytes.get(SpoolKind.CALLS, 0)
        if size < _FIRST_BYTES:
            return
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._orders, _order(size, is_last=False))
            self._was_told = True

    def end(self, size: int) -> None:
        """Lets it convert the rest of the spool, which has ``size`` bytes, as fast as it can.

        It ends without doing anything if no segment was closed before: its imports would take longer than the work.
        """
        if not self._was_told:
            self.abandon()
        if not self._is_running:
            return
        raise_priority(self.pid)
        os.set_blocking(self._orders, True)
        with suppress(BrokenPipeError):
            os.write(self._orders, _order(size, is_last=True))

    def result(self) -> Converted | None:
        """Waits for what it made, after :meth:`end`; None: it failed or was killed, and its files are removed."""
        if not self._is_running:
            return None
        parts: list[bytes] = []
        while block := os.read(self._results, _BLOCK):
            parts.append(block)
        self._is_running = False
        child_process.reap(self.pid)
        made: Converted | None = None
        with suppress(pickle.UnpicklingError, EOFError):
            # It is from our own process, through a pipe that nobody else has.
            made = pickle.loads(b"".join(parts))  # noqa: S301
        if made is None:
            _log.info("the converter failed; its work is done again")
            self._remove_files()
        return made

    def abandon(self) -> None:
        """Ends it, and removes its files."""
        if self._is_running:
            self._is_running = False
            child_process.kill(self.pid)
            self._remove_files()

    def close(self) -> None:
        """Ends it if it still runs."""
        self.abandon()
        os.close(self._orders)
        os.close(self._results)

    def _remove_files(self) -> None:
        folder = self._output.folder
        for path in folder.glob(f"*.{_TAG}-*.part"):
            if not saved_part_in(folder, int(path.stem.rpartition("-")[2])).exists():
                path.unlink()


_BLOCKED = (*ENDING, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP)


def _order(size: int, *, is_last: bool) -> bytes:
    return json.dumps([size, is_last]).encode() + b"\n"


def _run(
    orders: int,
    results: int,
    output: Output,
    identity: Identity | Unchanged,
    failed_only: bool,
    read_to: Callable[[], int] | None,
) -> None:
    lower_priority()
    _keep_freed_memory()
    confine(identity, [output.descriptor])
    made = _convert(orders, output.spool(SpoolKind.CALLS), output.folder, failed_only, read_to)
    with os.fdopen(results, "wb") as file:
        pickle.dump(made, file)


def _keep_freed_memory() -> None:
    """Has malloc(3) keep what is freed for the next arrays: the kernel would clear each page of them anew."""
    with suppress(AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            set_option(option, _KEPT_BYTES)


def _convert(
    orders: int, spool: Path, folder: Path, failed_only: bool, read_to: Callable[[], int] | None = None
) -> Converted | None:
    """Obeys the orders until the last one; None: there was none."""
    parts = None
    number = rows = begin = done = 0
    with os.fdopen(orders, "rb", buffering=0) as file:
        waiting = b""
        while block := file.read(_BLOCK):
            *lines, waiting = (waiting + block).split(b"\n")
            if not lines:
                continue
            size, is_last = json.loads(lines[-1])
            # The imports are slow, and nobody waits for them.
            from bpfrec.record.finish.call_parts import CallParts  # noqa: PLC0415
            from bpfrec.record.finish.call_writer import convert_spool  # noqa: PLC0415
            from bpfrec.record.finish.saved_parts import save_part  # noqa: PLC0415
            from bpfrec.record.spool import give_back  # noqa: PLC0415

            parts = parts or CallParts(folder, f"{_TAG}-{number}", first=rows, failed_only=failed_only)
            convert_spool(parts, spool, start=done, end=size)
            done = size
            if is_last:
                return parts.close()
            if done - begin >= _PART_BYTES:
                made = parts.close()
                save_part(folder, made, number, done)
                give_back(spool, done if read_to is None else min(done, read_to()))
                parts, number, rows, begin = None, number + 1, rows + made.rows, done
    return None
