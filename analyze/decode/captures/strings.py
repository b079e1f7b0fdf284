"""Strings, vectors of strings, and the contents of one buffer."""

from __future__ import annotations

from bpfrec.analyze.decode.captures.view import CaptureColumn, CaptureView, column, name_of_row, row_join
from bpfrec.analyze.decode.sql_parts import sql
from bpfrec.analyze.engine.sqltemplate import Fragment
from bpfrec.analyze.engine.view import Join
from bpfrec.formats.kernel.syscalls import RESULT_LENGTH, Capture


def strings(capture: Capture) -> CaptureView:
    """A vector of strings; an environment is there where the recording was asked for it."""
    row = name_of_row("c", capture.index)
    joins = (Join(sql("captures.join_strings", row=row, index=capture.index), ("exec_args",)),)
    asked = "; NULL without --env" if capture.kind == "environment" else ""
    what = f"the strings that it points at; bytes that are not UTF-8 as \\xNN{asked}"
    why = "NULL: whole; else why the rest is missing: truncated, unreadable"
    columns = (
        CaptureColumn("", "VARCHAR[]", what, column(row, "strings"), joins),
        CaptureColumn("_status", "VARCHAR", why, column(row, "status"), joins),
    )
    return CaptureView(columns, sql("captures.strings_text", row=row), joins)


def string(capture: Capture) -> CaptureView:
    """A string that is no path, passed or given back."""
    row = name_of_row("c", capture.index)
    joins = (row_join("strings", row, capture.index),)
    what = f"the string; bytes that are not UTF-8 as \\xNN; the pointer is syscalls.arg{capture.index}"
    why = "NULL: whole, or there is none; else unreadable, truncated, not-utf8, lost"
    columns = (
        CaptureColumn("", "VARCHAR", what, column(row, "value"), joins),
        CaptureColumn("_status", "VARCHAR", why, column(row, "status"), joins),
    )
    return CaptureView(columns, sql("captures.string_text", row=row), joins, is_string=True)


def data(capture: Capture) -> CaptureView:
    """What one buffer held."""
    index = capture.index
    text = sql("captures.data_text", row=data_row(index), size=size_of(capture), pointer=argument(index))
    return CaptureView(data_columns(index), text, (data_join(index),))


def argument(index: int) -> Fragment:
    """SQL for a raw argument of the call."""
    return sql("calls.argument", index=index)


def size_of(capture: Capture) -> Fragment:
    """SQL for the bytes or elements that a capture with a length has, as the call says."""
    return Fragment("s.ret") if capture.length == RESULT_LENGTH else sql("calls.argument", index=capture.length)


def data_row(index: int) -> Fragment:
    """The name of the row of an argument's contents."""
    return name_of_row("d", index)


def data_join(index: int) -> Join:
    """The join of the contents of an argument's buffers."""
    return row_join("data", data_row(index), index)


def data_columns(index: int) -> tuple[CaptureColumn, ...]:
    """The columns of contents."""
    row, joins = data_row(index), (data_join(index),)
    why = "NULL: whole; else truncated, unreadable, lost"
    return (
        CaptureColumn("_data", "BLOB", "its first bytes; NULL: see status", column(row, "bytes"), joins),
        CaptureColumn("_data_status", "VARCHAR", why, column(row, "status"), joins),
    )
