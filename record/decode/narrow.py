"""Structs of 32-bit programs, made into those of 64-bit ones, so that all others need to know only these."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.kernel.captures import (
    ELEMENTS,
    NARROW,
    captured_bytes,
    narrow,
    wide_members,
)
from bpfrec.record.decode.captures import KINDS, Captures

_EFAULT = 14
_NO_LIMIT = 0xFFFFFFFF
_FIRST = KINDS.index(narrow(next(iter(NARROW))))


def widened(records: wire.Records, captures: Captures) -> tuple[wire.Records, Captures]:
    """Returns the captures with all structs as 64-bit programs have them, and the records that hold these too."""
    is_narrow = (captures.kind >= _FIRST) & (captures.part == 0)
    if not is_narrow.any():
        return records, captures
    kind, at, captured = captures.kind.copy(), captures.at.copy(), captures.captured.copy()
    data = [records.data, np.zeros(-len(records.data) % 8, np.uint8)]
    end = sum(map(len, data))
    for name in NARROW:
        rows = np.flatnonzero(is_narrow & (captures.kind == KINDS.index(narrow(name))))
        kind[rows] = KINDS.index(name)
        size = captured_bytes(narrow(name))
        # A struct is whole or not there; of an array there are some elements.
        counts = np.maximum(captured[rows], 0) // size
        captured[rows[(captured[rows] > 0) & (counts == 0) & (name not in ELEMENTS)]] = -_EFAULT
        owner = np.repeat(rows, counts)
        place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = captures.at[owner] + place * size
        whole = _widen(records.data, starts, name)
        there = rows[counts > 0]
        at[there] = end + (np.cumsum(counts) - counts)[counts > 0] * whole.shape[1]
        captured[there] = counts[counts > 0] * whole.shape[1]
        data.append(whole.reshape(-1))
        end += whole.size
    return replace(records, data=np.concatenate(data)), replace(captures, kind=kind, at=at, captured=captured)


def _widen(data: wire.Bytes, starts: NDArray[np.int64], name: str) -> wire.Bytes:
    """The structs that begin at ``starts``, each as a row of bytes."""
    members, wide = NARROW[name], wide_members(name)
    words = np.zeros((len(starts), max(member.word for member in wide) + 1), np.uint64)
    for member, widened_member in zip(members, wide, strict=True):
        raw = data.take(starts[:, None] + np.arange(member.offset, member.offset + member.size), mode="clip")
        value = raw.reshape(-1).view(f"<{'i' if widened_member.signed else 'u'}{member.size}").astype(np.int64)
        if name == "rlimit":
            # All ones mean no limit to both.
            value[value == _NO_LIMIT] = -1
        bits = np.uint64((1 << widened_member.bits) - 1)
        words[:, widened_member.word] |= (value.view(np.uint64) & bits) << np.uint64(widened_member.shift)
    return words.view(np.uint8).reshape(len(starts), words.shape[1] * words.itemsize)
