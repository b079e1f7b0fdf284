"""Strings other than paths, and contents of buffers, as rows of ``strings`` and ``data``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bpfrec.bpf import wire
from bpfrec.formats.schema import DATA, STRINGS
from bpfrec.record.decode.captures import KINDS, Captures, SideRows
from bpfrec.record.decode.text import gather, status, string_array

_CONTENTS = KINDS.index("data")
_SIZE_ARGUMENT = 2
"""The argument with the size of a plain buffer: the same one in all calls whose buffer is captured at entry."""


def string_rows(records: wire.Records, captures: Captures) -> list[SideRows]:
    """Makes a row of ``strings`` for each string that was passed or given back."""
    some = captures.of_kind("string")
    if not len(some.call):
        return []
    there = some.captured >= 0
    lengths = np.where(there, some.captured, 0)
    # Some strings that the kernel writes end with a NUL, some do not.
    last = records.data.take(some.at + lengths - 1, mode="clip")
    lengths -= some.at_exit & (lengths > 0) & (last == 0)
    text, odd = string_array(records.data, some.at, lengths, there)
    # A string that was passed ends with a NUL: if none was found, there is more of it.
    truncated = some.cut | (~some.at_exit & (lengths >= wire.DATA_MAX - 1))
    why = [(some.lost, "lost"), (~there, "unreadable"), (truncated, "truncated"), (odd, "not-utf8")]
    rows = pa.table({"arg": pa.array(some.arg.astype(np.int16)), "value": text, "status": status(why, len(there))})
    return [SideRows(STRINGS, rows, some.call)]


def data_rows(records: wire.Records, captures: Captures) -> list[SideRows]:
    """Makes a row of ``data`` for each buffer; the buffers of one vector or message are one row together."""
    some = captures.where((captures.part == wire.CONTENTS) | ((captures.part == 0) & (captures.kind == _CONTENTS)))
    if not len(some.call):
        return []
    calls = records.calls
    there = some.captured >= 0
    lengths = np.where(there, some.captured, 0)
    returned = calls.ret[some.call]
    known = (returned >= 0) & ((calls.flags[some.call] & wire.NO_RETURN) == 0)
    asked = calls.argument(_SIZE_ARGUMENT)[some.call].astype(np.int64)
    passed = (some.part == 0) & ~some.at_exit
    size, sized = np.where(passed, asked, returned), passed | known
    joined = gather(records.data, some.at, lengths)
    ends = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    valid = pa.py_buffer(np.packbits(there, bitorder="little"))
    contents = pa.Array.from_buffers(pa.binary(), len(there), [valid, pa.py_buffer(ends), pa.py_buffer(joined)])
    why = [(some.lost, "lost"), (~there, "unreadable"), (sized & (lengths < size), "truncated")]
    rows = pa.table(
        {
            "arg": pa.array(some.arg.astype(np.int16)),
            "bytes": contents,
            "size": pa.array(size, mask=~sized),
            "status": status(why, len(there)),
        }
    )
    return [SideRows(DATA, rows, some.call)]
