"""The numpy side of ``programs/wire.h``: finding and reading records in what the rings held.

A test compiles the header and compares every size and offset with the dtypes here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xBF5C
KIND_SYSCALL, KIND_DATA, KIND_STACK, KIND_BATCH = 1, 2, 3, 4

COMPAT, X32, NO_RETURN, RETRIED, SPILLED = 1, 2, 4, 8, 16

DATA_MAX = 4104
FRAMES = 127

SYSCALL = np.dtype(
    [
        ("rest", "<u4"),
        ("magic", "<u2"),
        ("kind", "u1"),
        ("flags", "u1"),
        ("ts", "<u8"),
        ("duration", "<u8"),
        ("ret", "<i8"),
        ("args", "<u8", (6,)),
        ("pid", "<u4"),
        ("tid", "<u4"),
        ("uid", "<u4"),
        ("nr", "<i4"),
        ("extras", "<u4"),
        ("inline_size", "<i4"),
    ]
)
"""``struct wire_syscall`` up to its data, 104 bytes."""

EXTRA = np.dtype(
    [
        ("rest", "<u4"),
        ("magic", "<u2"),
        ("kind", "u1"),
        ("arg", "u1"),
        ("ts", "<u8"),
        ("tid", "<u4"),
        ("size", "<i4"),
    ]
)
"""``struct wire_data`` and ``struct wire_stack`` up to their data, 24 bytes."""

INLINE_OFFSET = SYSCALL.itemsize
INLINE_BYTES = 256
EXTRA_OFFSET = EXTRA.itemsize

_HEADER = struct.Struct("<IHHI")
_BATCH = struct.Struct("<HBB")
_LOW = np.uint64(0xFFFFFFFF)
_SAMPLE = 9
_LOST = 2

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]


@dataclass
class Records:
    """The records found in a piece of one CPU's stream; positions are byte offsets into ``data``.

    ``calls`` (dtype :data:`SYSCALL`) and ``call_data`` (where each one's inline data starts) run in parallel, as do
    ``extras`` (dtype :data:`EXTRA`), ``extra_data`` and ``extra_owner``: the index in ``calls`` of the call that an
    extra belongs to, -1 where that call was lost. ``lost``: the counts of PERF_RECORD_LOST. ``consumed``: bytes that
    need not be seen again; the rest is a record, or the extras of a call, cut off at the end, and comes again.
    """

    data: Bytes
    calls: NDArray[np.void]
    call_data: NDArray[np.int64]
    extras: NDArray[np.void]
    extra_data: NDArray[np.int64]
    extra_owner: NDArray[np.int64]
    lost: list[int]
    consumed: int


def decode(data: Bytes) -> Records:
    """The records in ``data``, a piece of one ring's stream that starts at a record; its length a multiple of 8."""
    words = data.view("<u8")
    starts, lost, end = _record_starts(words)
    kinds = (words[starts] >> np.uint64(48) & np.uint64(0xFF)).astype(np.uint8)
    starts, kinds = starts[kinds != KIND_BATCH], kinds[kinds != KIND_BATCH]
    call_positions = np.flatnonzero(kinds == KIND_SYSCALL)
    extra_positions = np.flatnonzero(kinds != KIND_SYSCALL)
    if len(call_positions):
        last = call_positions[-1]
        if last + 1 < len(starts):
            end = int(starts[last + 1])
            extra_positions = extra_positions[extra_positions < last]
    elif len(extra_positions):
        end = int(starts[0])
        extra_positions = extra_positions[:0]
    calls = _gather(words, starts[call_positions], SYSCALL)
    extras = _gather(words, starts[extra_positions], EXTRA)
    owner = np.searchsorted(call_positions, extra_positions)
    mine = (calls["ts"][owner] == extras["ts"]) & (calls["tid"][owner] == extras["tid"])
    return Records(
        data=data,
        calls=calls,
        call_data=starts[call_positions] * 8 + INLINE_OFFSET,
        extras=extras,
        extra_data=starts[extra_positions] * 8 + EXTRA_OFFSET,
        extra_owner=np.where(mine, owner, -1),
        lost=[count for at, count in lost if at < end],
        consumed=end * 8,
    )


def batch_sample(records: bytes) -> bytes:
    """The perf sample that sending a ``struct wire_batch`` with ``records`` as its data would have left in a ring."""
    payload = _BATCH.pack(MAGIC, KIND_BATCH, 0) + records
    return _HEADER.pack(_SAMPLE, 0, _HEADER.size + len(payload), len(payload)) + payload


def _record_starts(words: Words) -> tuple[NDArray[np.int64], list[tuple[int, int]], int]:
    """Word indexes of our records and batches, of LOST records with their counts, and the word where whole ones end.

    Words that look like the start of one of ours are found in one sweep. User memory in the records may look so too:
    only those count that the chain of sizes from the first word leads to. Where a record ends, the next one of its
    batch begins, or the header of another perf record.
    """
    candidates = np.flatnonzero((words >> np.uint64(32) & np.uint64(0xFFFF)) == np.uint64(MAGIC))
    heads = words[candidates]
    is_batch = (heads >> np.uint64(48) & np.uint64(0xFF)) == KIND_BATCH
    sizes = np.where(is_batch, 1, ((heads & np.uint64(0xFFFFFFFF)).astype(np.int64) + 4) >> 3)
    ends = candidates + sizes
    following = candidates[1:]
    new_sample = (following == ends[:-1] + 1) & ((words[np.minimum(ends[:-1], len(words) - 1)] & _LOW) == _SAMPLE)
    broken = np.flatnonzero(~((following == ends[:-1]) | new_sample))
    runs: list[NDArray[np.int64]] = [candidates[:0]]
    lost: list[tuple[int, int]] = []
    position = 0
    while position < len(words):
        index = int(np.searchsorted(candidates, position))
        if index < len(candidates) and candidates[index] == position:
            stop = int(np.searchsorted(broken, index))
            last = int(broken[stop]) if stop < len(broken) else len(candidates) - 1
            if ends[last] > len(words):
                runs.append(candidates[index:last])
                position = int(candidates[last])
                break
            runs.append(candidates[index : last + 1])
            position = int(ends[last])
            continue
        header = int(words[position])
        size = 1 if header & 0xFFFFFFFF == _SAMPLE else header >> 51
        if size == 0 or position + size > len(words):
            break
        if header & 0xFFFFFFFF == _LOST and size > 2:
            lost.append((position, int(words[position + 2])))
        position += size
    return np.concatenate(runs), lost, position


def _gather(words: Words, starts: NDArray[np.int64], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    width = dtype.itemsize // 8
    rows = words[starts[:, None] + np.arange(width)]
    return np.ascontiguousarray(rows).reshape(-1).view(dtype)
