"""Opens files that other users may have put there."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO | None:
    """Opens a file for reading; None where it cannot be read or is no regular file.

    Opening a FIFO may block, and opening a device may start something: the kind of file is looked at first.
    """
    try:
        if hasattr(os, "O_PATH"):
            return _open_place(path)
        # Systems other than Linux only read traces, from folders that their users name themselves.
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
