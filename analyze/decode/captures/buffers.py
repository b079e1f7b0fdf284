"""Vectors of buffers (``struct iovec``), with what was in them where that was recorded."""

from __future__ import annotations

from bpfrec.analyze.decode.captures.strings import argument, data_columns, data_join, data_row, size_of
from bpfrec.analyze.decode.captures.view import CaptureColumn, CaptureView, array_join, array_text, name_of_row
from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.analyze.engine.view import Join
from bpfrec.formats.kernel.syscalls import Capture, Syscall

_MOST_BYTES = 2**64 - 1
_UNBOUNDED = 2**80
"""More than lengths of 64 bits add up to."""

_MOST_DIGITS = 2**31 - 1


def vector(call: Syscall, capture: Capture) -> CaptureView:
    """The buffers, by their addresses and lengths."""
    row, index = name_of_row("a", capture.index), capture.index
    joins = array_join(row, index, "iovec", "entry")
    contents = next((c for c in call.captures if c.index == index and c.kind == "buffers"), None)
    empty = array_is_empty(row, capture)
    columns = buffer_columns(row, joins, none=empty)
    if contents is None:
        return CaptureView(columns, array_text(row, buffer_texts(row), empty=empty), (joins,))
    texts = buffer_texts(row, data_row(index), moved=bytes_moved(given_back=contents.at_exit))
    text = array_text(row, texts, empty=empty)
    return CaptureView((*columns, *data_columns(index)), text, (joins, data_join(index)))


def array_is_empty(row: Fragment, capture: Capture) -> Fragment:
    """SQL for whether an array has no elements, of which no row tells."""
    pointer = argument(capture.index)
    return sql("captures.array_is_empty", row=row, size=size_of(capture), pointer=pointer)


def bytes_moved(*, given_back: bool) -> Fragment:
    """SQL for how many bytes the call filled; NULL for buffers that it took."""
    return sql("buffers.moved") if given_back else literal(None)


def buffer_columns(row: Fragment, joins: Join, *, none: Fragment) -> tuple[CaptureColumn, CaptureColumn, CaptureColumn]:
    """The columns of the buffers in ``row``: bytes, count and status. ``none``: when there are none."""
    why = "NULL: read whole, or none was passed; else truncated, unreadable, lost, overflow (no sum of 64 bits)"
    size = sql("buffers.bytes", row=row, none=none, most=_MOST_BYTES)
    count = sql("buffers.count", row=row, none=none)
    status = sql("buffers.status", row=row, most=_MOST_BYTES)
    return (
        CaptureColumn("_bytes", "UBIGINT", "bytes of its buffers together; NULL: see status", size, (joins,)),
        CaptureColumn("_count", "BIGINT", "how many buffers; NULL: see status", count, (joins,)),
        CaptureColumn("_status", "VARCHAR", why, status, (joins,)),
    )


def buffer_texts(row: Fragment, contents: Fragment | None = None, *, moved: Fragment | None = None) -> Fragment:
    """SQL for a list of texts, of the buffers in ``row``; ``contents`` is the row of what was in them.

    ``moved``: see :func:`bytes_moved`.
    """
    base = number_text("address", sql("buffers.address", row=row), 64)
    if contents is not None:
        before = sql("buffers.bytes_before", row=row)
        held = sql("buffers.bytes_held", row=row, moved=moved, unbounded=_UNBOUNDED, before=before)
        digits = sql("buffers.digits", contents=contents, before=before, held=held, most=_MOST_DIGITS)
        base = sql("buffers.contents_or_address", row=row, contents=contents, address=base, digits=digits, held=held)
    return sql("buffers.texts", row=row, base=base)
