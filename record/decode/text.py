"""Text columns for Arrow, a whole column at a time: C strings from user memory, and words from a small set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

CODES = pa.dictionary(pa.int32(), pa.string())


def gather(data: Bytes, starts: Integers, lengths: Integers) -> Bytes:
    """Returns the bytes ``data[start : start + length]`` of all rows, joined; together less than 2 GiB."""
    before = np.cumsum(lengths) - lengths
    places = np.repeat((starts - before).astype(np.int32), lengths)
    places += np.arange(len(places), dtype=np.int32)
    return data[places]


def string_array(
    data: Bytes, starts: Integers, lengths: Integers, valid: NDArray[np.bool_]
) -> tuple[pa.Array, NDArray[np.bool_]]:
    """Returns an Arrow string per row, NULL where ``valid`` is false, and a mask of those that were not UTF-8.

    Bytes that are not UTF-8 are written as ``\\xNN``.
    """
    lengths = np.where(valid, lengths, 0)
    joined = gather(data, starts, lengths)
    ends = np.cumsum(lengths)
    odd = (
        _not_utf8(joined, ends - lengths, ends) if len(joined) and joined.max() >= 0x80 else np.zeros(len(starts), bool)
    )
    if odd.any():
        raw = joined.tobytes()
        spans = zip(ends - lengths, ends, valid, strict=True)
        return pa.array(
            [raw[a:b].decode("utf-8", "backslashreplace") if ok else None for a, b, ok in spans], pa.string()
        ), odd
    offsets = np.concatenate(([0], ends)).astype(np.int32)
    bitmap = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    array = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(joined), bitmap)
    return array, odd


def _not_utf8(joined: Bytes, starts: Integers, ends: Integers) -> NDArray[np.bool_]:
    odd = np.zeros(len(starts), bool)
    suspicious = np.unique(np.searchsorted(ends, np.flatnonzero(joined >= 0x80), side="right"))
    for row in suspicious:
        try:
            joined[starts[row] : ends[row]].tobytes().decode("utf-8")
        except UnicodeDecodeError:
            odd[row] = True
    return odd


def choice(indexes: NDArray[np.int32], values: Sequence[str]) -> pa.Array:
    """Returns ``values[index]`` per row as a dictionary array; NULL where the index is -1."""
    none = indexes < 0
    if none.all():
        return pa.nulls(len(indexes), CODES)
    return pa.DictionaryArray.from_arrays(
        pa.array(indexes, mask=none if none.any() else None), pa.array(values, pa.string())
    )


def status(conditions: list[tuple[NDArray[np.bool_], str]], rows: int) -> pa.Array:
    """Returns the first status per row whose condition (a mask) holds, NULL where none does: a dictionary array."""
    index = np.full(rows, -1, np.int32)
    for number in range(len(conditions) - 1, -1, -1):
        index[conditions[number][0]] = number
    return choice(index, [name for _, name in conditions])


def thread_names(comm: NDArray[np.void]) -> pa.Array:
    """Returns the names of threads, given as ``char comm[16]`` each, as a dictionary array."""
    found, codes = np.unique(np.ascontiguousarray(comm).view("S16"), return_inverse=True)
    names = [name.partition(b"\0")[0].decode("utf-8", "backslashreplace") for name in found.tolist()]
    distinct = list(dict.fromkeys(names))
    number = np.array([distinct.index(name) for name in names], np.int32)
    return choice(number[codes.reshape(-1)], distinct)
