"""What the recorder copied for an argument: its columns in a sys view, its text as strace -v writes it, its join.

A kind of capture that is not known here has no columns, and its text is the address.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.decode import arrays, contents, messages, structs
from bpfrec.analyze.decode.copies import Copied, Part, joined, templated
from bpfrec.analyze.engine.view import ViewColumn
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.syscalls import Argument, Capture, Syscall


def copied_of(call: Syscall, index: int) -> Copied | None:
    """How what was copied for an argument is shown, whether at entry or at exit.

    None where it is no more than ``path`` of the call, or of a kind not known here.
    """
    # Of several captures the first says what it is: those behind it are the same at exit, or what it points at.
    for capture in (c for c in call.captures if c.index == index):
        if capture.kind in _OF_CALLS:
            return _OF_CALLS[capture.kind](call, capture)
        if capture.kind in _KINDS:
            return _KINDS[capture.kind](capture)
        if capture.kind in STRUCTS:
            return structs.struct(capture)
    return None


def captured_columns(call: Syscall, argument: Argument) -> list[ViewColumn]:
    """The columns of what was copied for an argument."""
    shown = copied_of(call, argument.index)
    if shown is None:
        return []
    name = argument.name
    whole = "" if argument.is_pointer else "_string"
    return [
        ViewColumn(
            f"{name}{part.suffix or (whole if shown.is_string else '')}",
            part.sql_type,
            f"{name}: {part.comment}",
            part.expression,
            part.late,
        )
        for part in shown.parts
    ]


def _timespec(capture: Capture) -> Copied:
    row = f"c{capture.index}"
    late = (joined("timespecs", row, capture.index),)

    def value(member: str) -> str:
        return f"CAST(CAST({row}.{member} AS HUGEINT) & {2**64 - 1} AS UBIGINT)"

    why = "NULL: read whole, or none was passed; else unreadable"
    parts = (
        Part("_tv_sec", "BIGINT", "seconds; NULL: see status, or none was passed", f"{row}.tv_sec", late),
        Part("_tv_nsec", "BIGINT", "nanoseconds", f"{row}.tv_nsec", late),
        Part("_status", "VARCHAR", why, f"{row}.status", late),
    )
    return Copied(parts, templated("{tv_sec=<tv_sec>, tv_nsec=<tv_nsec:uint>}", {}, value), late)


def _sockaddr(capture: Capture) -> Copied:
    row = f"c{capture.index}"
    late = (joined("sockaddrs", row, capture.index),)
    what = "IP address, path of a unix socket ... as in sockaddrs"
    parts = (
        Part("_family", "VARCHAR", "address family", f"address_family({row}.family)", late),
        Part("_address", "VARCHAR", what, f"{row}.address", late),
        Part("_port", "INTEGER", "port; NULL: the family has none", f"{row}.port", late),
        Part("_status", "VARCHAR", "NULL: read whole; else what sockaddrs has", f"{row}.status", late),
    )
    text = f"sockaddr_text({row}.family, {row}.address, {row}.port, {row}.extra, {row}.status)"
    return Copied(parts, text, late)


_KINDS: dict[str, Callable[[Capture], Copied]] = {
    "timespec": _timespec,
    "sockaddr": _sockaddr,
    "strings": contents.strings,
    "environment": contents.strings,
    "string": contents.string,
    "data": contents.data,
}
"""How each kind of capture is shown that is no struct."""

_OF_CALLS: dict[str, Callable[[Syscall, Capture], Copied]] = {
    "iovec": arrays.vector,
    "pollfd": arrays.polled,
    "epoll_event": arrays.epolled,
    "fd_set": arrays.selected,
    "msghdr": messages.message,
}
"""How those are shown for which other captures of the call count."""
