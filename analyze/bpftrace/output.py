"""Where a replay writes: bytes as they are into a file or pipe, and safe to look at on a terminal."""

from __future__ import annotations

import sys
from typing import BinaryIO, TextIO

from bpfrec.analyze.render.escape import printable_lines

_AT_ONCE = 1 << 16


class Output:
    """Standard output and standard error of a script. Texts may have bytes that are no UTF-8 as surrogates."""

    def __init__(self, target: BinaryIO | None = None, errors: TextIO | None = None, safe: bool | None = None) -> None:
        self._target = target if target is not None else sys.stdout.buffer
        self._errors = errors if errors is not None else sys.stderr
        self._safe = sys.stdout.isatty() if safe is None else safe
        self._waiting: list[str] = []
        self._size = 0

    def write(self, text: str) -> None:
        """Writes to standard output, some time before :meth:`flush` ends."""
        self._waiting.append(text)
        self._size += len(text)
        if self._size > _AT_ONCE or self._safe:
            self.flush()

    def error(self, text: str) -> None:
        """Writes to standard error, behind what was written before."""
        self.flush()
        self._errors.write(printable_lines(text))
        self._errors.flush()

    def flush(self) -> None:
        """Writes what waits."""
        text = "".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        if self._safe:
            text = printable_lines(text.replace("\t", "        "))
        self._target.write(text.encode("utf-8", "surrogateescape"))
        self._target.flush()
