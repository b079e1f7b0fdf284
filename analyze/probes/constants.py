"""Names of the kernel's constants that filters use, as its headers give them on x86-64."""

from __future__ import annotations

from bpfrec.formats.errnos import errno_numbers
from bpfrec.formats.open_flags import OPEN_FLAGS

_OTHERS = {
    "NULL": 0,
    "AT_FDCWD": -100,
    "AT_SYMLINK_NOFOLLOW": 0x100,
    "AT_REMOVEDIR": 0x200,
    "AT_EACCESS": 0x200,
    "AT_SYMLINK_FOLLOW": 0x400,
    "AT_EMPTY_PATH": 0x1000,
    "F_OK": 0,
    "X_OK": 1,
    "W_OK": 2,
    "R_OK": 4,
    "PROT_NONE": 0,
    "PROT_READ": 1,
    "PROT_WRITE": 2,
    "PROT_EXEC": 4,
    "MAP_SHARED": 0x1,
    "MAP_PRIVATE": 0x2,
    "MAP_FIXED": 0x10,
    "MAP_ANONYMOUS": 0x20,
    "MAP_ANON": 0x20,
    "CLONE_VM": 0x100,
    "CLONE_VFORK": 0x4000,
    "CLONE_THREAD": 0x10000,
    "SEEK_SET": 0,
    "SEEK_CUR": 1,
    "SEEK_END": 2,
}

CONSTANTS: dict[str, int] = OPEN_FLAGS | _OTHERS | errno_numbers()
"""Value by name: open, access, mmap, clone and seek flags, and error numbers (positive)."""
