"""Compares structs and other captures with strace's notation of them, by kind.

The kinds are those of ``formats/kernel/captures.py``. Captures of a kind that is not in :data:`KINDS` are not compared.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Callable

from bpfrec.formats.kernel.decoding import constants
from bpfrec.formats.kernel.errnos import errno_numbers
from judge import elements
from judge.captures import NAMED, Capture, Words, flags, number_of
from judge.sockets import socket_address
from judge.strace_values import Value

# include/uapi/asm-generic/signal-defs.h, siginfo.h, signal.h of x86.
SA = {
    "SA_NOCLDSTOP": 1,
    "SA_NOCLDWAIT": 2,
    "SA_SIGINFO": 4,
    "SA_RESTORER": 0x04000000,
    "SA_ONSTACK": 0x08000000,
    "SA_RESTART": 0x10000000,
    "SA_INTERRUPT": 0x20000000,
    "SA_NODEFER": 0x40000000,
    "SA_RESETHAND": 0x80000000,
}
STACK = {"SS_ONSTACK": 1, "SS_DISABLE": 2, "SS_AUTODISARM": 1 << 31}
SIGNALS = {
    **{name.removeprefix("SIG"): number for name, number in constants("signal").items()},
    **{f"RT_{number}": 32 + number for number in range(1, 33)},
    "RTMIN": 32,
}
HANDLERS = {"SIG_DFL": 0, "SIG_IGN": 1}
CHILD = {"CLD_EXITED": 1, "CLD_KILLED": 2, "CLD_DUMPED": 3, "CLD_TRAPPED": 4, "CLD_STOPPED": 5, "CLD_CONTINUED": 6}
ANY_SIGNAL = 2**64 - 1


def _members(*names: str) -> Callable[[Value], Words]:
    """Reads a struct with these members; a name with a dot is a member of a member."""

    def words(value: Value) -> Words:
        found = []
        for name in names:
            part = value
            for step in name.split("."):
                part = (part.fields or {})[step]
            found.append(number_of(part))
        return tuple(found)

    return words


def _pair(unit: str) -> Callable[[Value], Words]:
    """Reads times of access and change; one that is told by a name alone has any seconds."""

    def words(value: Value) -> Words:
        return tuple(
            number
            for item in value.items or []
            for number in ((-1, NAMED[item.text]) if item.text in NAMED else _members("tv_sec", unit)(item))
        )

    return words


def _open_how(value: Value) -> Words:
    fields = value.fields or {}
    access, _, rest = fields["flags"].text.partition("|")
    mode = fields.get("mode", Value("0"))
    opened = constants("open_access")[access] | flags(constants("open"), Value(rest or "0"))
    return opened, number_of(mode), flags(constants("resolve"), fields["resolve"])


CLONE_ARGS = ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls")


def _clone_args(theirs: Value, ours: Capture) -> bool:
    """As they were passed: strace has behind => what the kernel gave back, and leaves out what is not asked for."""
    fields = Value(theirs.text.partition(" => ")[0]).fields or {}
    names = (*CLONE_ARGS, "set_tid", "set_tid_size", "cgroup")
    for name, value in fields.items():
        recorded = ours.words[names.index(name)]
        family = {"flags": "clone", "exit_signal": "signal"}.get(name)
        if name == "set_tid":
            continue  # strace shows what it points at
        if recorded != (flags(constants(family), value) if family else number_of(value)):
            return False
    return {"flags", "exit_signal", "stack", "stack_size"} <= fields.keys()


def _descriptors(value: Value) -> Words:
    first, second = (number_of(item) for item in value.items or [])
    return (first | second << 32,)


STRUCTS: dict[str, Callable[[Value], Words]] = {
    "timespec": _members("tv_sec", "tv_nsec"),
    "timeval": _members("tv_sec", "tv_usec"),
    "timespecs": _pair("tv_nsec"),
    "timevals": _pair("tv_usec"),
    "itimerspec": _members("it_interval.tv_sec", "it_interval.tv_nsec", "it_value.tv_sec", "it_value.tv_nsec"),
    "itimerval": _members("it_interval.tv_sec", "it_interval.tv_usec", "it_value.tv_sec", "it_value.tv_usec"),
    "rlimit": _members("rlim_cur", "rlim_max"),
    "utimbuf": _members("actime", "modtime"),
    "fds": _descriptors,
    "open_how": _open_how,
}


def _struct(read: Callable[[Value], Words]) -> Callable[[Value, Capture], bool]:
    def agree(theirs: Value, ours: Capture) -> bool:
        told = read(theirs)
        return len(told) == len(ours.words) and all(a in (-1, b) for a, b in zip(told, ours.words, strict=True))

    return agree


def wait_status(status: int) -> str:
    """A wait status in strace's words."""
    if os.WIFEXITED(status):
        told = f"WIFEXITED(s) && WEXITSTATUS(s) == {os.WEXITSTATUS(status)}"
    elif os.WIFSTOPPED(status):
        told = f"WIFSTOPPED(s) && WSTOPSIG(s) == {signal.Signals(os.WSTOPSIG(status)).name}"
    elif os.WIFCONTINUED(status):
        told = "WIFCONTINUED(s)"
    else:
        told = f"WIFSIGNALED(s) && WTERMSIG(s) == {signal.Signals(os.WTERMSIG(status)).name}"
        told += " && WCOREDUMP(s)" if os.WCOREDUMP(status) else ""
    return f"[{{{told}}}]"


def _wait(theirs: Value, ours: Capture) -> bool:
    return theirs.text == wait_status(ours.words[0])


def _sockaddr(theirs: Value, ours: Capture) -> bool:
    return socket_address(theirs) == (ours.family, ours.address, ours.port)


def signal_set(value: Value) -> int:
    """A set of signals as a mask."""
    mask = 0
    for name in value.text.strip("~[]").split():
        mask |= 1 << SIGNALS[name] - 1
    return mask ^ ANY_SIGNAL if value.text.startswith("~") else mask


def _sigset(theirs: Value, ours: Capture) -> bool:
    return ours.words == (signal_set(theirs),)


def _sigaction(theirs: Value, ours: Capture) -> bool:
    fields = theirs.fields or {}
    handler, given, restorer, mask = ours.words
    return (
        flags(HANDLERS, fields.get("sa_handler", fields.get("sa_sigaction", Value("?")))) == handler
        and flags(SA, fields["sa_flags"]) == given
        and signal_set(fields["sa_mask"]) == mask
        and ("sa_restorer" not in fields or number_of(fields["sa_restorer"]) == restorer)
    )


def _stack(theirs: Value, ours: Capture) -> bool:
    fields = theirs.fields or {}
    told = (number_of(fields["ss_sp"]), flags(STACK, fields["ss_flags"]), number_of(fields["ss_size"]))
    return told == (ours.words[0], ours.words[1] & 0xFFFFFFFF, ours.words[2])


def _siginfo(theirs: Value, ours: Capture) -> bool:
    fields = theirs.fields or {}
    if not fields:
        return not ours.words[0] & 0xFFFFFFFF
    names = constants("signal") | CHILD
    told = [flags(names, fields[f"si_{name}"]) for name in ("signo", "code", "pid", "uid", "status")]
    raw = struct.pack("<4Q", *ours.words)
    return told == list(struct.unpack("<i4xi4xiIi4x", raw))


def _lock(theirs: Value, ours: Capture) -> bool:
    fields = theirs.fields or {}
    kind, whence, start, length, pid = struct.unpack("<hh4xqqi4x", struct.pack("<4Q", *ours.words))
    return (
        (flags(constants("lease"), fields["l_type"]), flags(constants("seek"), fields["l_whence"])) == (kind, whence)
        and (number_of(fields["l_start"]), number_of(fields["l_len"])) == (start % 2**64, length % 2**64)
        and ("l_pid" not in fields or number_of(fields["l_pid"]) == pid)
    )


OPTION_WORDS = {
    name: number
    for family in ("socket_type", "address_family", "ip_protocol")
    for name, number in constants(family).items()
}


def _option(theirs: Value, ours: Capture) -> bool:
    """A socket's option: a number, a string, or a struct of numbers of one size."""
    raw = struct.pack(f"<{len(ours.words)}Q", *ours.words)
    if theirs.string:
        return raw.startswith(theirs.string[0])
    members = list((theirs.fields or {}).values()) or theirs.items or []
    names = OPTION_WORDS | errno_numbers()
    told = [flags(names, member) % 2**32 for member in members]
    wide = list(ours.words[: len(told)])
    narrow = list(struct.unpack(f"<{len(raw) // 4}I", raw))[: len(told)]
    return bool(told) and told in (narrow, wide)


def _string(theirs: Value, ours: Capture) -> bool:
    told = theirs.string
    return told is not None and not told[1] and ours.strings == (told[0].decode("utf-8", "backslashreplace"),)


def _strings(theirs: Value, ours: Capture) -> bool:
    told = [(item.string or (b"?", True)) for item in theirs.items or []]
    return not any(cut for _, cut in told) and ours.strings == tuple(
        text.decode("utf-8", "backslashreplace") for text, _ in told
    )


KINDS: dict[str, Callable[[Value, Capture], bool]] = {
    **{kind: _struct(read) for kind, read in STRUCTS.items()},
    "int": _wait,
    "clone_args": _clone_args,
    "sockaddr": _sockaddr,
    "strings": _strings,
    "environment": _strings,
    "string": _string,
    "sigset": _sigset,
    "sigaction": _sigaction,
    "stack_t": _stack,
    "siginfo": _siginfo,
    "flock": _lock,
    "sockopt": _option,
    "iovec": elements.vectors,
    "msghdr": elements.message,
    "pollfd": elements.waited_for,
    "epoll_event": elements.events,
    "fd_set": elements.descriptors,
    "data": elements.contents,
}
"""Whether both say the same, by the kind of capture. A new kind is added here."""
