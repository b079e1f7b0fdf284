"""Standard input, output and error of a program that may be started without them, or whose readers may go."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


def open_standard_streams() -> None:
    """Opens /dev/null in the place of each of the file descriptors 0, 1 and 2 that is closed.

    Otherwise the next files that are opened, the trace among them, would get these numbers, and whatever a library
    writes to standard error would end up in them.
    """
    while True:
        descriptor = os.open(os.devnull, os.O_RDWR)
        if descriptor > 2:
            os.close(descriptor)
            break
        os.set_inheritable(descriptor, True)
    # Python has None for those that were closed when it started.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def discard(stream: TextIO) -> None:
    """Sends what is written to ``stream``, and what is left in its buffer, nowhere: its reader has gone.

    Python would flush it at exit otherwise, complain, and exit with 120.
    """
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
