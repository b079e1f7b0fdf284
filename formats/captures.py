"""What the recorder copies from user memory besides paths: structs, their sizes and members.

Layouts are those of 64-bit callers. Sources: include/uapi/linux/{time_types,resource,openat2,sched,utime}.h, and the
calls' man pages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A member of a struct: ``bits`` wide from bit ``shift`` of its 8-byte word ``word``; signed or not."""

    name: str
    word: int
    bits: int = 64
    shift: int = 0
    signed: bool = True


def _words(*names: str, signed: bool = True) -> tuple[Member, ...]:
    return tuple(Member(name, number, signed=signed) for number, name in enumerate(names))


MOST_WORDS = 11
"""8-byte words of the longest struct that is copied."""

STRUCTS: dict[str, tuple[Member, ...]] = {
    "timeval": _words("tv_sec", "tv_usec"),
    "timespecs": _words("atime_tv_sec", "atime_tv_nsec", "mtime_tv_sec", "mtime_tv_nsec"),
    "timevals": _words("atime_tv_sec", "atime_tv_usec", "mtime_tv_sec", "mtime_tv_usec"),
    "utimbuf": _words("actime", "modtime"),
    "itimerspec": _words("interval_tv_sec", "interval_tv_nsec", "value_tv_sec", "value_tv_nsec"),
    "itimerval": _words("interval_tv_sec", "interval_tv_usec", "value_tv_sec", "value_tv_usec"),
    "rlimit": _words("rlim_cur", "rlim_max", signed=False),
    "open_how": _words("flags", "mode", "resolve", signed=False),
    "clone_args": _words(
        *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls"),
        *("set_tid", "set_tid_size", "cgroup"),
        signed=False,
    ),
    "fds": (Member("0", 0, 32), Member("1", 0, 32, 32)),
    "int": (Member("value", 0, 32),),
}
"""The members of each struct by its name in ``syscalls.tsv``; ``timespec`` has a table of its own.

A struct that has grown, whose size the caller says, has the words that were passed.
"""

TIMESPEC_BYTES = 16
SOCKADDR_BYTES = 128
"""``struct sockaddr_storage``: no address is longer."""


def struct_bytes(kind: str) -> int:
    """The size of a struct that is copied, in bytes."""
    if kind == "timespec":
        return TIMESPEC_BYTES
    return max((m.word * 64 + m.shift + m.bits) // 8 for m in STRUCTS[kind])
