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


def open_in_root(root: Path, folder: str, name: str, uid: int | None) -> BinaryIO | None:
    """Opens the file ``name`` of ``folder`` below ``root``, as a process does whose root that is and who has ``uid``.

    Links in ``folder`` do not lead out of ``root``, and ``name`` is no link. None where there is no such regular file,
    or where the user ``uid`` (None: not known) may not read it.
    """
    try:
        top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            place = _open_below(top, folder)
        finally:
            os.close(top)
        try:
            file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        finally:
            os.close(place)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or not (uid in (None, 0, found.st_uid) or found.st_mode & stat.S_IROTH):
                return None
            return _reopened(file)
        finally:
            os.close(file)
    except (OSError, ValueError):
        return None


# include/uapi/linux/openat2.h; the number is the same on every architecture.
_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10


def _open_below(top: int, folder: str) -> int:
    """Opens ``folder`` below the folder ``top``, which is the root for all links on the way: openat2(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
    place: int = libc.syscall(_OPENAT2, top, os.fsencode(folder), ctypes.byref(how), ctypes.sizeof(how))
    if place >= 0:
        return place
    code = ctypes.get_errno()
    if code != errno.ENOSYS:
        raise OSError(code, os.strerror(code))
    # Linux before 5.6: no links then.
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)


def _reopened(place: int) -> BinaryIO:
    return os.fdopen(os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb")


def _open_place(path: Path) -> BinaryIO | None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            return None
        return _reopened(place)
    finally:
        os.close(place)
