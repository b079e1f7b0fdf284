"""The spools of one recording, which end together where the disk takes no more."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Sequence

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.formats.errors import BpfrecError
from bpfrec.record.session.output import Output
from bpfrec.record.session.working_folder import SpoolKind
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
        self._writers = {kind: SpoolWriter(output.spool(kind)) for kind in SpoolKind}
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

    def bytes_written(self, kind: SpoolKind) -> int:
        """Bytes in the spool of ``kind`` so far."""
        return self._writers[kind].bytes_written

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes in each spool so far, by kind."""
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
        for writer in self._writers.values():
            writer.close()

    def _sync(self) -> None:
        # The journal tells what is in the others, so it comes last.
        for kind in sorted(SpoolKind, key=lambda kind: kind is SpoolKind.JOURNAL):
            try:
                self._writers[kind].sync()
            except OSError as error:
                _log.info("spool of %s: %s", kind, error.strerror)
                if error.errno in _REFUSALS:
                    self.refused = error

    def _guarded(self, write: Callable[[SpoolWriter], None], kind: SpoolKind) -> None:
        if self.refused is not None:
            return
        try:
            write(self._writers[kind])
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise BpfrecError(f"cannot write beside {self._output.target}: {error.strerror}") from None
            _log.info("spool of %s: %s; no more is spooled", kind, error.strerror)
            self.refused = error
