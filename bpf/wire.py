"""The numpy side of ``programs/wire.h``: finding and reading records in what the rings held.

A test compiles the header and compares every size and offset with the dtypes here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = 0xBF5C
KIND_SYSCALL, KIND_DATA, KIND_STACK = 1, 2, 3

COMPAT, X32, NO_RETURN, RETRIED, SPILLED = 1, 2, 4, 8, 16

DATA_MAX = 4104
FRAMES = 127

SYSCALL = np.dtype(
    [
        ("state", "<u4"),
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
        ("unsent", "<u4"),
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

_HEADER_BYTES = 8
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
    kinds = (words[starts + 1] >> np.uint64(48) & np.uint64(0xFF)).astype(np.uint8)
    call_positions = np.flatnonzero(kinds == KIND_SYSCALL)
    extra_positions = np.flatnonzero((kinds == KIND_DATA) | (kinds == KIND_STACK))
    if len(call_positions):
        last = call_positions[-1]
        if last + 1 < len(starts):
            end = int(starts[last + 1])
            extra_positions = extra_positions[extra_positions < last]
    elif len(extra_positions):
        end = int(starts[0])
        extra_positions = extra_positions[:0]
    calls = _gather(words, starts[call_positions] + 1, SYSCALL)
    extras = _gather(words, starts[extra_positions] + 1, EXTRA)
    owner = np.searchsorted(call_positions, extra_positions)
    mine = (calls["ts"][owner] == extras["ts"]) & (calls["tid"][owner] == extras["tid"])
    return Records(
        data=data,
        calls=calls,
        call_data=(starts[call_positions] + 1) * 8 + INLINE_OFFSET,
        extras=extras,
        extra_data=(starts[extra_positions] + 1) * 8 + EXTRA_OFFSET,
        extra_owner=np.where(mine, owner, -1),
        lost=[count for at, count in lost if at < end],
        consumed=end * 8,
    )


def _record_starts(words: Words) -> tuple[NDArray[np.int64], list[tuple[int, int]], int]:
    """Word indexes of our samples, of LOST records with their counts, and the word at which whole records end.

    Words that look like the start of one of our samples are found in one sweep. User memory in the records may look
    so too: only those count that the chain of sizes from the first record leads to.
    """
    if len(words) < 2:
        return np.empty(0, np.int64), [], 0
    first, second = words[:-1], words[1:]
    looks = (
        ((first & np.uint64(0xFFFFFFFF)) == np.uint64(_SAMPLE))
        & ((second & np.uint64(0xFFFFFFFF)) == (first >> np.uint64(48)) - np.uint64(12))
        & ((second >> np.uint64(32) & np.uint64(0xFFFF)) == np.uint64(MAGIC))
    )
    candidates = np.flatnonzero(looks)
    ends = candidates + (words[candidates] >> np.uint64(51)).astype(np.int64)
    linked = np.flatnonzero(ends[:-1] != candidates[1:])
    runs: list[NDArray[np.int64]] = []
    lost: list[tuple[int, int]] = []
    position = 0
    while position < len(words):
        index = int(np.searchsorted(candidates, position))
        if index < len(candidates) and candidates[index] == position:
            stop = int(np.searchsorted(linked, index))
            last = int(linked[stop]) if stop < len(linked) else len(candidates) - 1
            run, run_end = candidates[index : last + 1], int(ends[last])
            if run_end > len(words):
                run, run_end = run[:-1], int(run[-1])
                runs.append(run)
                return np.concatenate(runs), lost, run_end
            runs.append(run)
            position = run_end
            continue
        header = int(words[position])
        size = header >> 51
        if size == 0 or position + size > len(words):
            break
        if header & 0xFFFFFFFF == _LOST and size > 2:
            lost.append((position, int(words[position + 2])))
        position += size
    return (np.concatenate(runs) if runs else np.empty(0, np.int64)), lost, position


def _gather(words: Words, starts: NDArray[np.int64], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    width = dtype.itemsize // 8
    rows = words[starts[:, None] + np.arange(width)]
    return np.ascontiguousarray(rows).reshape(-1).view(dtype)
