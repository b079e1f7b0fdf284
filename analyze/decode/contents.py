"""Strings and contents that the recorder copied: their columns and texts."""

from __future__ import annotations

from bpfrec.analyze.decode.copies import Copied, Part, joined
from bpfrec.analyze.engine.view import Late
from bpfrec.formats.kernel.syscalls import RESULT_LENGTH, Capture

_VECTOR = (
    "LEFT JOIN (SELECT event_id, arg, list(value ORDER BY position) FILTER (WHERE value IS NOT NULL) AS strings,"
    " max(status) FILTER (WHERE value IS NULL) AS status,"
    " string_agg(CASE WHEN value IS NOT NULL THEN quoted_text(value, status) WHEN status = 'truncated' THEN '...'"
    " WHEN status = 'unreadable' THEN '???' END, ', ' ORDER BY position) AS texts"
    " FROM main.exec_args GROUP BY ALL) AS {row} ON {row}.event_id = s.event_id AND {row}.arg = {index}"
)


def strings(capture: Capture) -> Copied:
    """A vector of strings; an environment is there where the recording was asked for it."""
    row = f"c{capture.index}"
    late = (Late(_VECTOR.format(row=row, index=capture.index), ("exec_args",)),)
    asked = "; NULL without --env" if capture.kind == "environment" else ""
    what = f"the strings that it points at; bytes that are not UTF-8 as \\xNN{asked}"
    why = "NULL: whole; else why the rest is missing: truncated, unreadable"
    parts = (
        Part("", "VARCHAR[]", what, f"{row}.strings", late),
        Part("_status", "VARCHAR", why, f"{row}.status", late),
    )
    return Copied(parts, f"CASE WHEN {row}.strings IS NOT NULL THEN '[' || {row}.texts || ']' END", late)


def string(capture: Capture) -> Copied:
    """A string that is no path, passed or given back."""
    row = f"c{capture.index}"
    late = (joined("strings", row, capture.index),)
    what = f"the string; bytes that are not UTF-8 as \\xNN; the pointer is syscalls.arg{capture.index}"
    why = "NULL: whole, or there is none; else unreadable, truncated, not-utf8, lost"
    parts = (
        Part("", "VARCHAR", what, f"{row}.value", late),
        Part("_status", "VARCHAR", why, f"{row}.status", late),
    )
    return Copied(parts, f"quoted_text({row}.value, {row}.status)", late, is_string=True)


def data_join(index: int) -> Late:
    """The join of ``d0`` ... ``d5``, the contents of an argument's buffers."""
    return joined("data", f"d{index}", index)


def data_parts(index: int) -> tuple[Part, ...]:
    """The columns of contents."""
    row, late = f"d{index}", (data_join(index),)
    return (
        Part("_data", "BLOB", "its first bytes; NULL: see status", f"{row}.bytes", late),
        Part("_data_status", "VARCHAR", "NULL: whole; else truncated, unreadable, lost", f"{row}.status", late),
    )


def data(capture: Capture) -> Copied:
    """What one buffer held."""
    row, index = f"d{capture.index}", capture.index
    size = "s.ret" if capture.length == RESULT_LENGTH else f"s.arg{capture.length}"
    text = (
        f"CASE WHEN {row}.bytes IS NOT NULL"
        f" THEN bytes_text({row}.bytes) || CASE WHEN {row}.status = 'truncated' THEN '...' ELSE '' END"
        f""" WHEN {size} = 0 AND s.arg{index} != 0 THEN '""' END"""
    )
    return Copied(data_parts(index), text, (data_join(index),))
