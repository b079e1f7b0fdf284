"""Structs and other data that the recorder copies: strace's notation of them beside the recorded values, by kind.

The kinds are those of ``formats/captures.py``; of one that is not in :data:`KINDS` nothing is compared.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.formats.decoding import constants
from judge.strace_values import Value

Words = tuple[int, ...]

_NAMED = {"RLIM64_INFINITY": 2**64 - 1, "RLIM_INFINITY": 2**64 - 1, "UTIME_NOW": 0x3FFFFFFF, "UTIME_OMIT": 0x3FFFFFFE}
_PORT = re.compile(r"htons\((\d+)\)")
_ADDRESS = re.compile(r'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"')
_SCOPE = re.compile(r"sin6_scope_id=(\w+)")


@dataclass(frozen=True)
class Data:
    """What was copied for one argument: words of a struct, an address, or strings; ``status``: why it is not whole."""

    status: str | None = None
    words: Words = ()
    family: int | None = None
    address: str | None = None
    port: int | None = None
    strings: tuple[str, ...] = ()


def _number(value: Value) -> int:
    product = 1
    for factor in value.text.split("*"):
        number = _NAMED.get(factor, Value(factor).number)
        if number is None:
            raise ValueError(f"no number: {value.text}")
        product *= number
    return product % 2**64


def _members(*names: str) -> Callable[[Value], Words]:
    """Reads a struct with these members; a name with a dot is a member of a member."""

    def words(value: Value) -> Words:
        found = []
        for name in names:
            part = value
            for step in name.split("."):
                part = (part.fields or {})[step]
            found.append(_number(part))
        return tuple(found)

    return words


def _pair(unit: str) -> Callable[[Value], Words]:
    """Reads times of access and change; one that is told by a name alone has any seconds."""

    def words(value: Value) -> Words:
        return tuple(
            number
            for item in value.items or []
            for number in ((-1, _NAMED[item.text]) if item.text in _NAMED else _members("tv_sec", unit)(item))
        )

    return words


def _flags(family: str, value: Value) -> int:
    """The number of names with | between them, and of what has no name."""
    known = constants(family)
    return sum(known[word] if word in known else _number(Value(word)) for word in value.text.split("|"))


def _open_how(value: Value) -> Words:
    fields = value.fields or {}
    access, _, rest = fields["flags"].text.partition("|")
    mode = fields.get("mode", Value("0"))
    opened = constants("open_access")[access] | _flags("open", Value(rest or "0"))
    return opened, _number(mode), _flags("resolve", fields["resolve"])


CLONE_ARGS = ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls")


def _clone_args(theirs: Value, ours: Data) -> bool:
    """As they were passed: strace has behind => what the kernel gave back, and leaves out what is not asked for."""
    fields = Value(theirs.text.partition(" => ")[0]).fields or {}
    names = (*CLONE_ARGS, "set_tid", "set_tid_size", "cgroup")
    for name, value in fields.items():
        recorded = ours.words[names.index(name)]
        family = {"flags": "clone", "exit_signal": "signal"}.get(name)
        if name == "set_tid":
            continue  # strace shows what it points at
        if recorded != (_flags(family, value) if family else _number(value)):
            return False
    return {"flags", "exit_signal", "stack", "stack_size"} <= fields.keys()


def _descriptors(value: Value) -> Words:
    first, second = (_number(item) for item in value.items or [])
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


def _struct(read: Callable[[Value], Words]) -> Callable[[Value, Data], bool]:
    def agree(theirs: Value, ours: Data) -> bool:
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


def _wait(theirs: Value, ours: Data) -> bool:
    return theirs.text == wait_status(ours.words[0])


def socket_address(value: Value) -> tuple[int, str, int | None]:
    """Family, address and port, as a recording writes them."""
    fields = value.fields or {}
    name = fields["sa_family"].text
    family = int(socket.AddressFamily[name]) if name != "AF_UNSPEC" else 0
    port = _PORT.search(value.text)
    address = _ADDRESS.search(value.text)
    if name == "AF_UNIX":
        path = fields.get("sun_path", Value('""')).text
        told = Value(path.removeprefix("@")).string or (b"", False)
        text = told[0].decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        return family, ("@" if path.startswith("@") else "") + text, None
    if name == "AF_NETLINK":
        return family, str(_number(fields["nl_pid"])), None
    if address and port:
        scope = _SCOPE.search(value.text)
        zone = f"%{scope[1]}" if scope and scope[1] != "0" else ""
        return family, address[1] + zone, int(port[1])
    raw = (fields.get("sa_data", Value('""')).string or (b"", False))[0]
    return family, raw.hex(), None


def _sockaddr(theirs: Value, ours: Data) -> bool:
    return socket_address(theirs) == (ours.family, ours.address, ours.port)


def _strings(theirs: Value, ours: Data) -> bool:
    told = [(item.string or (b"?", True)) for item in theirs.items or []]
    return not any(cut for _, cut in told) and ours.strings == tuple(
        text.decode("utf-8", "backslashreplace") for text, _ in told
    )


KINDS: dict[str, Callable[[Value, Data], bool]] = {
    **{kind: _struct(read) for kind, read in STRUCTS.items()},
    "int": _wait,
    "clone_args": _clone_args,
    "sockaddr": _sockaddr,
    "strings": _strings,
}
"""Whether both say the same, by the kind of capture. A new kind is added here."""
