"""The structs that the recorder copies from user memory: their sizes and members.

Layouts are those of 64-bit callers, but for :data:`NARROW`.
Sources: include/uapi/linux/{time_types,resource,openat2,sched,utime}.h, and the
calls' man pages.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StructMember:
    """A member of a struct: ``bits`` bits from bit ``shift`` on in its 8-byte word number ``word``."""

    name: str
    word: int
    bits: int = 64
    shift: int = 0
    signed: bool = True


def _words(*names: str, signed: bool = True) -> tuple[StructMember, ...]:
    return tuple(StructMember(name, number, signed=signed) for number, name in enumerate(names))


MOST_WORDS = 11
"""How many 8-byte words the longest struct has that is copied."""

STRUCTS: dict[str, tuple[StructMember, ...]] = {
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
    "stack_t": (
        StructMember("ss_sp", 0, signed=False),
        StructMember("ss_flags", 1, 32),
        StructMember("ss_size", 2, signed=False),
    ),
    "siginfo": (
        *(StructMember("si_signo", 0, 32), StructMember("si_errno", 0, 32, 32), StructMember("si_code", 1, 32)),
        *(
            StructMember("si_pid", 2, 32),
            StructMember("si_uid", 2, 32, 32, signed=False),
            StructMember("si_status", 3, 32),
        ),
    ),
    "flock": (
        *(StructMember("l_type", 0, 16), StructMember("l_whence", 0, 16, 16)),
        *(StructMember("l_start", 1), StructMember("l_len", 2), StructMember("l_pid", 3, 32)),
    ),
    "msghdr": (
        *(StructMember("msg_name", 0, signed=False), StructMember("msg_namelen", 1, 32)),
        *(StructMember("msg_iov", 2, signed=False), StructMember("msg_iovlen", 3, signed=False)),
        *(StructMember("msg_control", 4, signed=False), StructMember("msg_controllen", 5, signed=False)),
        StructMember("msg_flags", 6, 32, signed=False),
    ),
    "sockopt": _words(*(f"word{number}" for number in range(MOST_WORDS)), signed=False),
    "fds": (StructMember("0", 0, 32), StructMember("1", 0, 32, 32)),
    "int": (StructMember("value", 0, 32),),
}
"""The members of each struct, by its name in ``syscalls.tsv``; ``timespec`` has a table of its own.

Of a struct whose size the caller passes (``open_how``, ``clone_args``), only as many words are there as were passed.
"""


@dataclass(frozen=True)
class NarrowMember:
    """A member of a struct of 32-bit programs: ``size`` bytes from byte ``offset`` on."""

    offset: int
    size: int = 4


def _narrow(*members: int | tuple[int, int]) -> tuple[NarrowMember, ...]:
    """Members of 4 bytes at these offsets, or of the sizes that are given with them."""
    return tuple(NarrowMember(m) if isinstance(m, int) else NarrowMember(*m) for m in members)


_TIMESPEC = (StructMember("tv_sec", 0), StructMember("tv_nsec", 1))
_IOVEC = (StructMember("iov_base", 0, signed=False), StructMember("iov_len", 1, signed=False))

NARROW: dict[str, tuple[NarrowMember, ...]] = {
    **dict.fromkeys(("timespec", "timeval", "utimbuf", "rlimit", "iovec"), _narrow(0, 4)),
    **dict.fromkeys(("timespecs", "timevals", "itimerspec", "itimerval"), _narrow(0, 4, 8, 12)),
    "sigaction": _narrow(0, 4, 8, (12, 8)),
    "stack_t": _narrow(0, 4, 8),
    "siginfo": _narrow(0, 4, 8, 12, 16, 20),
    "flock": _narrow((0, 2), (2, 2), 4, 8, 12),
}
"""How 32-bit programs on x86 lay out these structs, a member for each of the struct of 64-bit programs, in its order.

Sources: include/linux/compat.h, include/vdso/time32.h and arch/x86/include/asm/compat.h. The calls of
:data:`ALWAYS_WIDE` take the struct of 64-bit programs from all.
"""

ALWAYS_WIDE = frozenset({"prlimit64"})
_NARROW_SUFFIX = "_32"


def narrow(kind: str) -> str:
    """The name of the kind that a struct of :data:`NARROW` is in the memory of a 32-bit program."""
    return kind + _NARROW_SUFFIX


def wide(kind: str) -> str:
    """The name of the struct that ``kind`` is a layout of."""
    return kind.removesuffix(_NARROW_SUFFIX)


def wide_members(kind: str) -> tuple[StructMember, ...]:
    """The members of a struct of 64-bit programs, ``timespec`` and ``iovec`` among them."""
    return _TIMESPEC if kind == "timespec" else _IOVEC if kind == "iovec" else STRUCTS[kind]


ELEMENTS: dict[str, int] = {"iovec": 16, "pollfd": 8, "epoll_event": 12, "fd_set": 8}
"""The size in bytes of an element of each kind of array; an fd_set is copied as words of 64 descriptors.

``struct epoll_event`` is packed on x86-64 alone: include/uapi/linux/eventpoll.h.
"""

MESSAGE_BYTES = 56
"""Bytes of a ``struct user_msghdr`` with its padding; the recorder copies the iovecs behind it."""

TIMESPEC_BYTES = 16
SOCKADDR_BYTES = 128
"""``struct sockaddr_storage``: no address is longer."""


def captured_bytes(kind: str) -> int:
    """Returns the size in bytes of a struct, or of an element of an array."""
    if kind.endswith(_NARROW_SUFFIX):
        return max(member.offset + member.size for member in NARROW[wide(kind)])
    if kind in ELEMENTS:
        return ELEMENTS[kind]
    if kind == "timespec":
        return TIMESPEC_BYTES
    return max((m.word * 64 + m.shift + m.bits) // 8 for m in STRUCTS[kind])
