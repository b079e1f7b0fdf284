"""The spools of one recording, which end together where the disk takes no more."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Sequence

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.output import Output
from bpfrec.record.session.working_folder import SpoolKind, spool_in
from bpfrec.record.spool import SpoolWriter

_log = logging.getLogger(__name__)

# Errors that say that the disk takes no more. What was written so far is still worth finishing.
_REFUSALS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))


class Spools:
    """A new file in the folder of ``output`` for each :class:`SpoolKind`.

    ``refused``: the error with which the disk refused a write; nothing is written from then on.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._writers = self._new_files(0)
        self._before: list[dict[SpoolKind, SpoolWriter]] = []
        self.refused: OSError | None = None
        self._syncing: threading.Thread | None = None

    def write(self, kind: SpoolKind, cpu: int, slices: Sequence[memoryview]) -> None:
        """Appends what was drained just now from the ring of ``cpu``.

        Raises:
            BpfrecError: writing failed, and not for lack of room.
        """
        self._guarded(lambda writer: writer.write(cpu, monotonic_ns(), slices), kind)

    def append(self, kind: SpoolKind, rows: bytes) -> None:
        """Appends ``rows`` to a spool that did not come from a ring. Errors as :meth:`write`."""
        self._guarded(lambda writer: writer.append([memoryview(rows)]), kind)

    def begin_leg(self, number: int) -> None:
        """Begins new files: what is written from now on is of the leg ``number``. Errors as :meth:`write`."""
        self._guarded_call(lambda: self._replace_files(number), f"leg {number}")

    def bytes_written(self, kind: SpoolKind) -> int:
        """Bytes in the spool of ``kind`` so far; of the current leg alone."""
        return self._writers[kind].bytes_written

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes in each spool so far, by kind; of the current leg alone."""
        return {str(kind): writer.bytes_written for kind, writer in self._writers.items()}

    def sync(self) -> None:
        """Begins to bring what was written so far to the disk, unless that is going on; does not wait for it."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._sync, name="spools", daemon=True)
            self._syncing.start()

    def close(self) -> None:
        """Closes the files."""
        if self._syncing is not None:
            self._syncing.join()
        for writers in (*self._before, self._writers):
            for writer in writers.values():
                writer.close()

    def _new_files(self, leg: int) -> dict[SpoolKind, SpoolWriter]:
        output = self._output
        return {kind: SpoolWriter(spool_in(output.folder, kind, leg), output.group) for kind in SpoolKind}

    def _replace_files(self, leg: int) -> None:
        made = self._new_files(leg)
        # They are closed when the disk has what is in them, which may take it long.
        self._before.append(self._writers)
        self._writers = made

    def _sync(self) -> None:
        while self._before:
            self._sync_files(self._before[0])
            for writer in self._before.pop(0).values():
                writer.close()
        self._sync_files(self._writers)

    def _sync_files(self, writers: dict[SpoolKind, SpoolWriter]) -> None:
        # The journal tells what is in the others, so it comes last.
        for kind in sorted(SpoolKind, key=lambda kind: kind is SpoolKind.JOURNAL):
            try:
                writers[kind].sync()
            except OSError as error:
                _log.info("spool of %s: %s", kind, error.strerror)
                if error.errno in _REFUSALS:
                    self.refused = error

    def _guarded(self, write: Callable[[SpoolWriter], None], kind: SpoolKind) -> None:
        self._guarded_call(lambda: write(self._writers[kind]), kind)

    def _guarded_call(self, write: Callable[[], None], what: str) -> None:
        if self.refused is not None:
            return
        try:
            write()
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise BpfrecError(f"cannot write beside {self._output.target}: {error.strerror}") from None
            _log.info("spool of %s: %s; no more is spooled", what, error.strerror)
            self.refused = error
