"""Opens files that other users may have put there."""

from __future__ import annotations

import ctypes
import errno
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


# include/uapi/linux/openat2.h; the number is the same on every architecture.
_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04


def open_below(top: int, name: str, flags: int = 0, *, links: bool = True) -> int:
    """Opens the place ``name`` below the folder ``top``, which is the root for all links on the way: openat2(2).

    ``flags``: what else O_PATH is to be combined with. ``links``: whether links are followed at all.

    Raises:
        OSError: there is none.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    resolve = _RESOLVE_IN_ROOT | (_RESOLVE_NO_MAGICLINKS if links else _RESOLVE_NO_SYMLINKS)
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC | flags, 0, resolve)
    place: int = libc.syscall(_OPENAT2, top, os.fsencode(name), ctypes.byref(how), ctypes.sizeof(how))
    if place >= 0:
        return place
    code = ctypes.get_errno()
    if code != errno.ENOSYS:
        raise OSError(code, os.strerror(code))
    # Linux before 5.6: no links then.
    place = os.dup(top)
    for part in filter(None, name.split("/")):
        above = place
        try:
            if part == "..":
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            place = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)
    return place


def reopened(place: int) -> int:
    """A descriptor for reading the regular file that ``place``, opened with O_PATH, is."""
    return os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _open_place(path: Path) -> BinaryIO | None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        return os.fdopen(reopened(place), "rb")
    finally:
        os.close(place)
