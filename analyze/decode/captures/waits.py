"""Descriptors that were waited for, and those that were ready: poll(2), epoll(7), select(2)."""

from __future__ import annotations

from collections.abc import Iterator

from bpfrec.analyze.decode.captures.buffers import array_is_empty
from bpfrec.analyze.decode.captures.view import (
    CaptureColumn,
    CaptureView,
    array_join,
    array_text,
    column,
    name_of_row,
    where_whole,
)
from bpfrec.analyze.decode.number_texts import number_text
from bpfrec.analyze.decode.sql_parts import listed, sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.analyze.engine.view import Join
from bpfrec.formats.kernel.syscalls import Capture, Syscall

_WHY = "NULL: whole, or none was passed; else truncated, unreadable, lost"


def polled(_call: Syscall, capture: Capture) -> CaptureView:
    """The pollfds of poll(2), with what was found where the call worked."""
    row, found, index = name_of_row("a", capture.index), name_of_row("x", capture.index), capture.index
    joins = (array_join(row, index, "pollfd", "entry"), array_join(found, index, "pollfd", "exit"))
    elements = sql("waits.polled", row=row, found=found, fd=_poll_fd(row))
    columns = (
        CaptureColumn(
            "",
            "STRUCT(fd INTEGER, events VARCHAR, revents VARCHAR)[]",
            "what was waited for, and what was found, NULL where the call failed; NULL: see status",
            where_whole(row, elements),
            joins,
        ),
        CaptureColumn("_status", "VARCHAR", _WHY, column(row, "status"), joins[:1]),
    )
    texts = sql("waits.polled_texts", row=row, fd=_poll_fd(row))
    return CaptureView(columns, array_text(row, texts, empty=array_is_empty(row, capture)), joins[:1])


def epoll_events(_call: Syscall, capture: Capture) -> CaptureView:
    """The one event that is passed to epoll_ctl(2), or those that epoll_wait(2) gives."""
    row, is_one = name_of_row("a", capture.index), capture.length is None
    joins = (array_join(row, capture.index, "epoll_event", "exit" if capture.at_exit else "entry"),)
    columns = (
        CaptureColumn(
            "",
            "STRUCT(events VARCHAR, data UBIGINT)[]",
            "the events; NULL: see status, or there are none",
            where_whole(row, sql("waits.epoll_events", row=row)),
            joins,
        ),
        CaptureColumn("_status", "VARCHAR", _WHY, column(row, "status"), joins),
    )
    texts = sql("waits.epoll_texts", row=row)
    if is_one:
        return CaptureView(columns, sql("waits.first_of", texts=texts), joins)
    return CaptureView(columns, array_text(row, texts, empty=array_is_empty(row, capture)), joins)


def selected(_call: Syscall, capture: Capture) -> CaptureView:
    """A set of descriptors of select(2), as it was passed and as it was given back."""
    index = capture.index
    passed, given = name_of_row("a", index), name_of_row("x", index)
    joins = (array_join(passed, index, "fd_set", "entry"), array_join(given, index, "fd_set", "exit"))
    waited, ready = "the descriptors in it; NULL: see status", "those that were ready; NULL: none was, or it failed"
    columns = (
        CaptureColumn("", "INTEGER[]", waited, where_whole(passed, _descriptors(passed)), joins[:1]),
        CaptureColumn("_ready", "INTEGER[]", ready, where_whole(given, _descriptors(given)), joins[1:]),
        CaptureColumn("_status", "VARCHAR", _WHY, column(passed, "status"), joins[:1]),
    )
    return CaptureView(columns, sql("waits.set_text", row=passed, descriptors=_descriptors(passed)), joins[:1])


def result_remark(call: Syscall) -> tuple[Fragment, tuple[Join, ...]] | None:
    """What strace says behind the result of poll(2) and select(2), and what it needs; None for other calls.

    It says what was ready, and not how much time was left.
    """
    waited = [c for c in call.captures if c.at_exit and c.kind in ("pollfd", "fd_set")]
    if not waited:
        return None
    rows = [name_of_row("x", c.index) for c in waited]
    joins = tuple(array_join(row, c.index, c.kind, "exit") for row, c in zip(rows, waited, strict=True))
    if waited[0].kind == "pollfd":
        found = sql("waits.poll_found", row=rows[0], fd=_poll_fd(rows[0]))
    else:
        found = sql("waits.sets_found", sets=listed(_sets_found(rows)))
    return sql("waits.remark", found=found), joins


def _poll_fd(row: Fragment) -> Fragment:
    return number_text("int", sql("waits.poll_fd", row=row), 32)


def _descriptors(row: Fragment) -> Fragment:
    return sql("waits.descriptors", row=row)


def _sets_found(rows: list[Fragment]) -> Iterator[Fragment]:
    for name, row in zip(("in", "out", "except"), rows, strict=True):
        yield sql("waits.set_found", heading=f"{name} [", descriptors=_descriptors(row))
