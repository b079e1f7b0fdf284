"""Landlock: a process gives up all writing but in a few folders. See landlock(7) and include/uapi/linux/landlock.h."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

# The numbers are the same on every architecture.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION, _BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
# Removing and making entries of folders: bits 4 to 12.
_ENTRIES = 0x1FF0
_IOCTL_DEVICE = 1 << 15
# Linking into other folders, truncating, requests to devices: with the version of Landlock that has it.
_LATER = ((1 << 13, 2), (1 << 14, 3), (_IOCTL_DEVICE, 5))
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


def work_only_in(folders: Sequence[int], readable: Iterable[Path] | None) -> str:
    """Lets this process write only in the folders that the descriptors ``folders`` are of, for ever.

    ``readable``: what it may read beside that; None: whatever its user may. It may not execute anything, nor use TCP,
    nor send signals to others, as far as this kernel has that. Files that are open stay so. Returns why it could not be
    done; '': it was. PR_SET_NO_NEW_PRIVS is set.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return f"this kernel has no Landlock: {os.strerror(ctypes.get_errno())}"
    reading = 0 if readable is None else _READ_FILE | _READ_FOLDER
    rights = _EXECUTE | _WRITE_FILE | _ENTRIES | reading
    rights |= sum(right for right, since in _LATER if version >= since)
    network = _TCP if version >= _TCP_SINCE else 0
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPES_SINCE else 0
    # An older kernel knows only the members in front, and takes more only where they are 0.
    handled = struct.pack("<QQQ", rights, network, scoped)
    rules = libc.syscall(_CREATE, handled, ctypes.c_size_t(len(handled)), 0)
    if rules < 0:
        return f"no Landlock: {os.strerror(ctypes.get_errno())}"
    try:
        for folder in folders:
            inside = struct.pack("<Qi", rights & ~(_EXECUTE | _IOCTL_DEVICE), folder)
            if libc.syscall(_ADD, rules, _BENEATH, inside, 0):
                return f"no Landlock: {os.strerror(ctypes.get_errno())}"
        for place in readable or ():
            _let_read(libc, rules, place)
        if libc.syscall(_RESTRICT, rules, 0):
            return f"no Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(rules)
    return ""


def _let_read(libc: ctypes.CDLL, rules: int, place: Path) -> None:
    with suppress(OSError):
        opened = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
            rights = _READ_FILE | _READ_FOLDER if is_folder else _READ_FILE
            libc.syscall(_ADD, rules, _BENEATH, struct.pack("<Qi", rights, opened), 0)
        finally:
            os.close(opened)
