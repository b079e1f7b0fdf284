"""Opening files that others made."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO | None:
    """An open file that others put there; None where it is not readable, or no regular file.

    Opening a FIFO may wait for ever and opening a device may start it: only what is known to be a file is opened.
    """
    try:
        if hasattr(os, "O_PATH"):
            return _open_place(path)
        # Elsewhere than on Linux traces are read, by users who name the folders themselves.
        return path.open("rb") if stat.S_ISREG(path.stat().st_mode) else None
    except (OSError, ValueError):
        return None


def _open_place(path: Path) -> BinaryIO | None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        return os.fdopen(os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")
    finally:
        os.close(place)
