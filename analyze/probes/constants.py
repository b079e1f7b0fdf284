"""Names of the kernel's constants that filters use, as its headers give them on x86-64."""

from __future__ import annotations

from bpfrec.formats.errnos import errno_numbers

_FLAGS = {
    "NULL": 0,
    "O_RDONLY": 0,
    "O_WRONLY": 0o1,
    "O_RDWR": 0o2,
    "O_ACCMODE": 0o3,
    "O_CREAT": 0o100,
    "O_EXCL": 0o200,
    "O_NOCTTY": 0o400,
    "O_TRUNC": 0o1000,
    "O_APPEND": 0o2000,
    "O_NONBLOCK": 0o4000,
    "O_DSYNC": 0o10000,
    "O_DIRECT": 0o40000,
    "O_LARGEFILE": 0o100000,
    "O_DIRECTORY": 0o200000,
    "O_NOFOLLOW": 0o400000,
    "O_NOATIME": 0o1000000,
    "O_CLOEXEC": 0o2000000,
    "O_SYNC": 0o4010000,
    "O_PATH": 0o10000000,
    "O_TMPFILE": 0o20200000,
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

CONSTANTS: dict[str, int] = _FLAGS | errno_numbers()
"""Value by name: open, access, mmap, clone and seek flags, and error numbers (positive)."""
