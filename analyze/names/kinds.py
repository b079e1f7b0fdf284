"""The numbers that stand for things in the tables of changes."""

from __future__ import annotations

CWD, ROOT = -100, -101
"""Take the place of a descriptor: the working directory (as AT_FDCWD does, include/uapi/linux/fcntl.h) and the root."""

CLOSED, NAMED, OPENED, SAME, UNKNOWN, SOCKET, ACCEPTED = range(7)
"""What a change does with its descriptor: closes it; gives it a name, what a path says, what another descriptor has,
something unknown, a socket, or a socket that came in by another."""

CLONE_FS, CLONE_FILES, CLONE_THREAD, CLONE_NEWNS = 0x200, 0x400, 0x10000, 0x20000
"""include/uapi/linux/sched.h; CLONE_NEWNS unshares what CLONE_FS shares."""

CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC = 2, 4
"""include/uapi/linux/close_range.h"""
