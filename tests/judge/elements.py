"""Compares captured arrays, messages and contents with strace's notation of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bpfrec.formats.kernel.decoding import constants
from judge.captures import Capture, Element, flags, number_of
from judge.sockets import socket_address
from judge.strace_values import Value

COPIED = 4096
"""How many bytes of contents are recorded for the judge (``--data``)."""

# include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h.
_BITS = ("IN", "PRI", "OUT", "ERR", "HUP", "NVAL", "RDNORM", "RDBAND", "WRNORM", "WRBAND", "MSG")
EVENTS = {
    **{name: 1 << bit for bit, name in enumerate(_BITS)},
    "REMOVE": 1 << 12,
    "RDHUP": 1 << 13,
    "EXCLUSIVE": 1 << 28,
    "WAKEUP": 1 << 29,
    "ONESHOT": 1 << 30,
    "ET": 1 << 31,
}
POLL = {f"POLL{name}": bit for name, bit in EVENTS.items()}
EPOLL = {f"EPOLL{name}": bit for name, bit in EVENTS.items()}
_SETS = re.compile(r"(in|out|except) \[([\d ]*)\]")


def vectors(theirs: Value, ours: Capture) -> bool:
    """An array of iovec, with what was read or written where contents are recorded."""
    return _buffers(theirs, ours.elements("iovec", "entry"), ours.contents)


def _buffers(theirs: Value, ours: list[Element], contents: bytes | None) -> bool:
    told = b""
    shown = True
    items = theirs.items or []
    for item, (_, base, length) in zip(items, ours, strict=False):
        fields = item.fields or {}
        told += (fields["iov_base"].string or (b"", False))[0]
        shown &= fields["iov_base"].string is not None
        if number_of(fields["iov_len"]) != length:
            return False
        if fields["iov_base"].is_number and number_of(fields["iov_base"]) != base:
            return False
    return len(items) == len(ours) and (not shown or same_contents(told, contents))


def same_contents(told: bytes, contents: bytes | None) -> bool:
    """Whether what was copied is the beginning of ``told``; of nothing, nothing is copied."""
    return (contents or b"") == told[:COPIED]


def contents(theirs: Value, ours: Capture) -> bool:
    """What one buffer holds."""
    text = theirs.string
    return text is not None and same_contents(text[0], ours.contents)


def message(theirs: Value, ours: Capture) -> bool:
    """A msghdr: its flags, address, buffers and descriptors."""
    fields = theirs.fields or {}
    phase = "exit" if ours.elements("iovec", "exit") or not ours.elements("iovec", "entry") else "entry"
    name = fields["msg_name"]
    if name.fields and socket_address(name) != (ours.family, ours.address, ours.port):
        return False
    passed = [
        number_of(item)
        for header in (fields.get("msg_control", Value("[]")).items or [])
        if (header.fields or {})["cmsg_type"].text == "SCM_RIGHTS"
        for item in (header.fields or {})["cmsg_data"].items or []
    ]
    given = fields.get("msg_flags", Value("0"))
    return (
        [fd for _, fd, _ in ours.elements("scm_rights", phase)] == passed
        and ours.words[6] == flags(constants("msg"), given)
        and ours.words[5] == number_of(fields["msg_controllen"])
        and _buffers(fields["msg_iov"], ours.elements("iovec", phase), ours.contents)
    )


def waited_for(theirs: Value, ours: Capture) -> bool:
    """The pollfds of poll(2) as they were passed."""
    told = [
        (position, number_of(fields["fd"]) % 2**32, flags(POLL, fields.get("events", Value("0"))))
        for position, fields in enumerate(_structs(theirs))
    ]
    return [(place, fd, events & 0xFFFF) for place, fd, events in ours.elements("pollfd", "entry")] == told


def ready(theirs: Value, ours: Capture) -> bool:
    """What poll(2) found: strace has those alone that have an event."""
    told = [(number_of(fields["fd"]), flags(POLL, fields["revents"])) for fields in _structs(theirs)]
    return [(fd, events >> 16) for _, fd, events in ours.elements("pollfd", "exit") if events >> 16] == told


def events(theirs: Value, ours: Capture) -> bool:
    """One epoll_event that is passed, or those that are given back."""
    one = theirs.fields is not None
    told = [
        (position, flags(EPOLL, fields["events"]), number_of((fields["data"].fields or {})["u64"]))
        for position, fields in enumerate([theirs.fields or {}] if one else _structs(theirs))
    ]
    return ours.elements("epoll_event", "entry" if one else "exit") == told


def descriptors(theirs: Value, ours: Capture) -> bool:
    """A set of descriptors as it was passed."""
    return set_of(ours, "entry") == [int(word) for word in theirs.text.strip("[]").split()]


def set_of(ours: Capture, phase: str) -> list[int]:
    """The descriptors in an fd_set."""
    found = ours.elements("fd_set", phase)
    return [place * 64 + bit for place, word, _ in found for bit in range(64) if word >> bit & 1]


def sets_told(text: str) -> dict[str, list[int]]:
    """The sets that strace names behind the result of select(2)."""
    return {name: [int(word) for word in members.split()] for name, members in _SETS.findall(text)}


def _structs(value: Value) -> Iterator[dict[str, Value]]:
    return (item.fields or {} for item in value.items or [])
