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
    "sigset": _words("mask", signed=False),
    "sigaction": _words("handler", "flags", "restorer", "mask", signed=False),
    "stack_t": (Member("ss_sp", 0, signed=False), Member("ss_flags", 1, 32), Member("ss_size", 2, signed=False)),
    "siginfo": (
        *(Member("si_signo", 0, 32), Member("si_errno", 0, 32, 32), Member("si_code", 1, 32)),
        *(Member("si_pid", 2, 32), Member("si_uid", 2, 32, 32, signed=False), Member("si_status", 3, 32)),
    ),
    "flock": (
        *(Member("l_type", 0, 16), Member("l_whence", 0, 16, 16)),
        *(Member("l_start", 1), Member("l_len", 2), Member("l_pid", 3, 32)),
    ),
    "msghdr": (
        *(Member("msg_name", 0, signed=False), Member("msg_namelen", 1, 32)),
        *(Member("msg_iov", 2, signed=False), Member("msg_iovlen", 3, signed=False)),
        *(Member("msg_control", 4, signed=False), Member("msg_controllen", 5, signed=False)),
        Member("msg_flags", 6, 32, signed=False),
    ),
    "sockopt": _words(*(f"word{number}" for number in range(MOST_WORDS)), signed=False),
    "fds": (Member("0", 0, 32), Member("1", 0, 32, 32)),
    "int": (Member("value", 0, 32),),
}
"""The members of each struct by its name in ``syscalls.tsv``; ``timespec`` has a table of its own.

A struct that has grown, whose size the caller says, has the words that were passed.
"""

ELEMENTS: dict[str, int] = {"iovec": 16, "pollfd": 8, "epoll_event": 12, "fd_set": 8}
"""Bytes of an element of each kind of array; those of an fd_set are words of 64 descriptors.

``struct epoll_event`` is packed on x86-64 alone: include/uapi/linux/eventpoll.h.
"""

MESSAGE_BYTES = 56
"""``struct user_msghdr`` with its padding; behind it the recorder copies its iovecs."""

TIMESPEC_BYTES = 16
SOCKADDR_BYTES = 128
"""``struct sockaddr_storage``: no address is longer."""


def captured_bytes(kind: str) -> int:
    """The size of a struct or of an element of an array that is copied, in bytes."""
    if kind in ELEMENTS:
        return ELEMENTS[kind]
    if kind == "timespec":
        return TIMESPEC_BYTES
    return max((m.word * 64 + m.shift + m.bits) // 8 for m in STRUCTS[kind])
