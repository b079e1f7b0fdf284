"""Keeping what libraries write to standard output and standard error out of the user's terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Output:
    """What was written meanwhile."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._text: str | None = None

    def text(self) -> str:
        """All of it."""
        if self._text is None:
            self._file.seek(0)
            self._text = self._file.read().decode("utf-8", "replace")
        return self._text


@contextmanager
def quiet() -> Iterator[Output]:
    """Keeps what bcc, clang and libbpf write to the file descriptors 1 and 2, for an error message.

    Both descriptors have to be open.
    """
    # A file in memory, for recording has to end cleanly on a full disk too.
    with os.fdopen(os.memfd_create("bpfrec"), "w+b") as file:
        output = Output(file)
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield output
        finally:
            for number, copy in enumerate(kept, start=1):
                os.dup2(copy, number)
                os.close(copy)
            output.text()
