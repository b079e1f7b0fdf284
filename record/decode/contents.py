"""Strings that are no paths, and contents of buffers, as rows of ``strings`` and ``data``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bpfrec.bpf import wire
from bpfrec.formats.schema import DATA, STRINGS
from bpfrec.record.decode.text import gather, status, string_array
from bpfrec.record.decode.user_memory import KINDS, Pieces, SideRows

_CONTENTS = KINDS.index("data")
_SIZE_ARGUMENT = 2
"""Of all calls whose plain buffer is captured at entry, the argument that has its size."""


def string_rows(records: wire.Records, pieces: Pieces) -> list[SideRows]:
    """A row for each string, passed or given back."""
    some = pieces.of_kind("string")
    if not len(some.call):
        return []
    there = some.captured >= 0
    lengths = np.where(there, some.captured, 0)
    # Some that the kernel gives have their NUL, some have none.
    last = records.data.take(some.at + lengths - 1, mode="clip")
    lengths -= some.at_exit & (lengths > 0) & (last == 0)
    text, odd = string_array(records.data, some.at, lengths, there)
    # What was passed ends with its NUL; where that was not found, there is more.
    truncated = some.cut | (~some.at_exit & (lengths >= wire.DATA_MAX - 1))
    why = [(some.lost, "lost"), (~there, "unreadable"), (truncated, "truncated"), (odd, "not-utf8")]
    rows = pa.table({"arg": pa.array(some.arg.astype(np.int16)), "value": text, "status": status(why, len(there))})
    return [SideRows(STRINGS, rows, some.call)]


def data_rows(records: wire.Records, pieces: Pieces) -> list[SideRows]:
    """A row for what was copied of each buffer, or of those of a vector or message together."""
    some = pieces.where((pieces.part == wire.CONTENTS) | ((pieces.part == 0) & (pieces.kind == _CONTENTS)))
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
