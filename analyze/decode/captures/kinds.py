"""Which kind of capture is shown how.

A kind that is not known here has no columns, and its text is the address.
"""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.decode.captures import buffers, messages, strings, structs, waits
from bpfrec.analyze.decode.captures.view import (
    CaptureColumn,
    CaptureView,
    column,
    members_text,
    name_of_row,
    row_join,
)
from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.decode.text_functions import ALL_BITS
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.analyze.engine.view import ViewColumn
from bpfrec.formats.kernel.captures import STRUCTS
from bpfrec.formats.kernel.syscalls import Argument, Capture, Syscall


def capture_view(call: Syscall, index: int) -> CaptureView | None:
    """How what was copied for an argument is shown, whether at entry or at exit.

    None where it is no more than ``path`` of the call, or of a kind not known here.
    """
    # Of several captures the first says what it is: those behind it are the same at exit, or what it points at.
    for capture in (c for c in call.captures if c.index == index):
        if capture.kind in _BY_CALL:
            return _BY_CALL[capture.kind](call, capture)
        if capture.kind in _BY_KIND:
            return _BY_KIND[capture.kind](capture)
        if capture.kind in STRUCTS:
            return structs.struct(capture)
    return None


def capture_columns(call: Syscall, argument: Argument) -> list[ViewColumn]:
    """The columns of what was copied for an argument."""
    shown = capture_view(call, argument.index)
    if shown is None:
        return []
    name = argument.name
    whole = "" if argument.is_pointer else "_string"
    return [
        ViewColumn(
            f"{name}{c.suffix or (whole if shown.is_string else '')}",
            c.sql_type,
            f"{name}: {c.comment}",
            c.expression,
            c.joins,
        )
        for c in shown.columns
    ]


def _timespec(capture: Capture) -> CaptureView:
    row = name_of_row("c", capture.index)
    joins = (row_join("timespecs", row, capture.index),)

    def value(member: str) -> Fragment:
        return sql("captures.timespec_member", row=row, member=Fragment(member), all_bits=ALL_BITS)

    why = "NULL: read whole, or none was passed; else unreadable"
    columns = (
        CaptureColumn(
            "_tv_sec", "BIGINT", "seconds; NULL: see status, or none was passed", column(row, "tv_sec"), joins
        ),
        CaptureColumn("_tv_nsec", "BIGINT", "nanoseconds", column(row, "tv_nsec"), joins),
        CaptureColumn("_status", "VARCHAR", why, column(row, "status"), joins),
    )
    return CaptureView(columns, members_text("{tv_sec=<tv_sec>, tv_nsec=<tv_nsec:uint>}", {}, value), joins)


def _sockaddr(capture: Capture) -> CaptureView:
    row = name_of_row("c", capture.index)
    joins = (row_join("sockaddrs", row, capture.index),)
    what = "IP address, path of a unix socket ... as in sockaddrs"
    why = "NULL: read whole; else what sockaddrs has"
    columns = (
        CaptureColumn("_family", "VARCHAR", "address family", sql("captures.family", row=row), joins),
        CaptureColumn("_address", "VARCHAR", what, column(row, "address"), joins),
        CaptureColumn("_port", "INTEGER", "port; NULL: the family has none", column(row, "port"), joins),
        CaptureColumn("_status", "VARCHAR", why, column(row, "status"), joins),
    )
    return CaptureView(columns, sql("captures.sockaddr_text", row=row), joins)


_BY_KIND: dict[str, Callable[[Capture], CaptureView]] = {
    "timespec": _timespec,
    "sockaddr": _sockaddr,
    "strings": strings.strings,
    "environment": strings.strings,
    "string": strings.string,
    "data": strings.data,
}
"""How each kind of capture is shown that is no struct."""

_BY_CALL: dict[str, Callable[[Syscall, Capture], CaptureView]] = {
    "iovec": buffers.vector,
    "pollfd": waits.polled,
    "epoll_event": waits.epoll_events,
    "fd_set": waits.selected,
    "msghdr": messages.message,
}
"""How those are shown for which other captures of the call count."""
