"""What pointers lead to: the memory that the recorder copied, laid out again as the program had it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.probes import Site
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.captures import ELEMENTS, STRUCTS, captured_bytes
from bpfrec.formats.kernel.sockaddr import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, ZERO
from bpfrec.formats.kernel.syscalls import Capture, syscalls

TEXTS = ("path", "string")
LISTS = ("strings", "environment")


def capture_of(call: str, argument: int) -> Capture | None:
    """What was copied for an argument of a call: what is known from its entry, where there is that."""
    found = [c for c in syscalls()[call].captures if c.index == argument and c.kind not in ("buffers", "scm_rights")]
    return next((c for c in found if not c.at_exit), found[0] if found else None)


def check_recorded(span: Span, name: str, sites: Sequence[Site], held: Holdings) -> None:
    """Refuses to look where ``args.NAME`` points when that was not recorded, or was not there yet.

    Raises:
        Problem: it was not.
    """
    for site in sites:
        if site.call is None or site.fields is None:
            continue
        argument = site.fields[name].argument
        capture = capture_of(site.call, argument.index) if argument else None
        if capture is None:
            raise Problem(span, f"args.{name} of {site.call}: what it points at is not recorded")
        if capture.kind == "data" and not held.data_bytes:
            raise Problem(
                span,
                f"args.{name} of {site.call}: the contents were not recorded",
                "record --data 256 would have taken the first 256 bytes of them.",
            )
        if capture.kind == "environment" and not held.environment:
            raise Problem(span, f"args.{name}: environments were not recorded", "record --env would have taken them.")
        if capture.at_exit and site.source.is_entry:
            raise Problem(
                span,
                f"args.{name} of {site.call}: at the entry of the call, what it points at is not filled in yet",
                "Keep the pointer in a map, as in @p[tid] = args.NAME, and read it at sys_exit.",
            )


class NotRecorded(ReportError):  # noqa: N818 - it says what the cause is
    """A script read memory that the trace does not hold."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the script reads memory that was not recorded: {what}", "A trace has what calls take alone.")


@dataclass(slots=True)
class Memory:
    """Bytes at an address. ``status``: None where they are whole; else why they are not, as the tables say it."""

    base: int
    data: bytes
    status: str | None = None

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes at ``address``; zeros where the kernel could not read them either.

        Raises:
            NotRecorded: they are not in the trace.
        """
        start = address - self.base
        got = self.data[start : start + size] if start >= 0 else b""
        if len(got) == size:
            return got
        if self.status == "unreadable":
            return got + bytes(size - len(got))
        raise NotRecorded(f"{size} bytes at 0x{address:x}" + (f" ({self.status})" if self.status else ""))

    def text(self, address: int) -> tuple[bytes, bool]:
        """The bytes from ``address`` to the next zero, and whether that zero, or the end of what is there, was seen."""
        start = address - self.base
        if not 0 <= start <= len(self.data):
            if self.status == "unreadable":
                return b"", True
            raise NotRecorded(f"a string at 0x{address:x}")
        end = self.data.find(b"\0", start)
        return (self.data[start:end], True) if end >= 0 else (self.data[start:], self.status is None)


def to_text(data: bytes) -> str:
    """Bytes as a string of a script: those that are no UTF-8 are surrogates."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes of a string of a script."""
    return text.encode("utf-8", "surrogateescape")


def recorded_bytes(text: str, status: str | None) -> bytes:
    r"""The bytes of a text of the trace, which has bytes that are no UTF-8 as ``\xNN``."""
    if status != "not-utf8":
        return text.encode("utf-8", "surrogateescape")
    parts = text.split("\\x")
    out = bytearray(parts[0].encode("utf-8", "surrogateescape"))
    for part in parts[1:]:
        if len(part) >= 2 and part[0] in "89abcdef" and part[1] in "0123456789abcdef":
            out.append(int(part[:2], 16))
            out += part[2:].encode("utf-8", "surrogateescape")
        else:
            out += b"\\x" + part.encode("utf-8", "surrogateescape")
    return bytes(out)


def rebuild(kind: str, value: Any, address: int) -> Memory | None:
    """The memory at ``address`` of a capture of ``kind``, of what the query gave for it; None: nothing was copied."""
    if value is None:
        return None
    if kind == "timespec":
        seconds, nanoseconds, status = value["tv_sec"], value["tv_nsec"], value["status"]
        data = b"" if seconds is None or nanoseconds is None else struct.pack("<qq", seconds, nanoseconds)
        return Memory(address, data, status)
    if kind == "sockaddr":
        return Memory(address, _sockaddr(value), value["status"])
    if kind == "data":
        return Memory(address, value["bytes"] or b"", value["status"])
    if kind in ELEMENTS:
        return Memory(address, _elements(kind, value["words"] or []), value["status"])
    if kind in STRUCTS:
        words = [word for word in value["words"] if word is not None]
        data = b"".join(struct.pack("<Q", word) for word in words)
        return Memory(address, data[: captured_bytes(kind)], value["status"])
    return None


def _elements(kind: str, words: list[dict[str, int | None]]) -> bytes:
    out = bytearray()
    for word in words:
        first, second = word["word0"] or 0, word["word1"] or 0
        if kind == "pollfd":
            out += struct.pack("<II", first & 0xFFFFFFFF, second & 0xFFFFFFFF)
        elif kind == "epoll_event":
            out += struct.pack("<IQ", first & 0xFFFFFFFF, second)
        elif kind == "fd_set":
            out += struct.pack("<Q", first)
        else:
            out += struct.pack("<QQ", first, second)
    return bytes(out)


def _sockaddr(value: dict[str, Any]) -> bytes:
    family, address, port = value["family"], value["address"], value["port"]
    if family is None:
        return b""
    head = struct.pack("<H", family & 0xFFFF)
    if address is None:
        return head
    try:
        if family == AF_INET:
            return head + struct.pack(">H", port or 0) + socket.inet_pton(socket.AF_INET, address) + bytes(8)
        if family == AF_INET6:
            plain, _, zone = address.partition("%")
            packed = socket.inet_pton(socket.AF_INET6, plain)
            scope = struct.pack("<I", int(zone or 0))
            return head + struct.pack(">HI", port or 0, value["extra"] or 0) + packed + scope
        if family == AF_UNIX:
            return head + _unix(address, value["status"])
        if family == AF_NETLINK:
            return head + bytes(2) + struct.pack("<II", int(address), value["extra"] or 0)
        return head + bytes.fromhex(address)
    except (OSError, ValueError, struct.error):
        return head


def _unix(address: str, status: str | None) -> bytes:
    if address.startswith("@"):
        return b"\0" + recorded_bytes(address[1:].replace(ZERO, "\0"), status)
    return recorded_bytes(address, status) + b"\0"
