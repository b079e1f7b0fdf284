"""What a system call does, in the five kinds that a timeline colours."""

from __future__ import annotations

from functools import cache

from bpfrec.formats.kernel.call_lists import call_names

KINDS = ("waits", "files and pipes", "sockets", "memory", "other calls")
"""What a kind is called in the legend; a kind is a place in this."""

_WAITS = frozenset(
    (
        *("nanosleep", "clock_nanosleep", "pause", "rt_sigsuspend", "rt_sigtimedwait"),
        *("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"),
        *("io_getevents", "io_pgetevents", "io_uring_enter"),
        *("futex", "futex_wait", "futex_waitv", "flock", "semop", "semtimedop", "wait4", "waitid", "vfork"),
    )
)
_CLASSES = ((2, "%network"), (3, "%memory"), (1, "%desc"), (1, "%file"))
"""Kinds and strace's classes of calls; the first that has a call counts."""


def kind_of(syscall: str) -> int:
    """The kind of a call by its name."""
    return 0 if syscall in _WAITS else _of_classes().get(syscall, len(KINDS) - 1)


def all_kinds() -> dict[str, int]:
    """The kind of each call that has another one than "other calls"."""
    return _of_classes() | dict.fromkeys(sorted(_WAITS), 0)


@cache
def _of_classes() -> dict[str, int]:
    found: dict[str, int] = {}
    for kind, name in _CLASSES:
        for call in sorted(call_names(name)):
            found.setdefault(call, kind)
    return found
