"""Arrays that calls point at, element by element, as rows of ``arrays``."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.kernel.captures import ELEMENTS, MESSAGE_BYTES
from bpfrec.formats.schema import ARRAYS
from bpfrec.record.decode.captures import Captures, Integers, SideRows, bytes_of
from bpfrec.record.decode.text import choice

_NAMES = (*ELEMENTS, "scm_rights")
_STATUSES = ("lost", "unreadable", "truncated")
# include/linux/socket.h: struct cmsghdr of 64-bit callers, and what has descriptors in it.
_CONTROL = struct.Struct("<Qii")
_SOL_SOCKET, _SCM_RIGHTS = 1, 1

Words = NDArray[np.uint64]


def array_rows(records: wire.Records, captures: Captures) -> list[SideRows]:
    """Makes a row of ``arrays`` for each element. An array that is not whole has one more row, with only a status."""
    found = [_elements(records, captures.of_kind(kind), kind, size, 0) for kind, size in ELEMENTS.items()]
    messages = captures.of_kind("msghdr")
    found.append(_elements(records, messages, "iovec", ELEMENTS["iovec"], MESSAGE_BYTES))
    found.append(_descriptors(records, captures.where(captures.part == wire.CONTROL)))
    return [rows for rows in found if rows is not None]


def _elements(records: wire.Records, captures: Captures, kind: str, size: int, skipped: int) -> SideRows | None:
    """The elements of ``size`` bytes that follow the first ``skipped`` bytes of each capture."""
    if not len(captures.call):
        return None
    counts = np.maximum(captures.captured - skipped, 0) // size
    owner = np.repeat(np.arange(len(counts)), counts)
    position = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = (captures.at[owner] + skipped + position * size) // 4
    # Elements of an array of epoll_event stand at multiples of 4 bytes.
    halves = records.data.view("<u4")
    word0, word1 = _words(kind, [halves.take(at + n, mode="clip").astype(np.uint64) for n in range(size // 4)])
    # A message that could not be read is reported by its row in structs.
    broken = np.flatnonzero(captures.cut if skipped else captures.cut | (captures.captured < 0))
    return _rows(captures, kind, (owner, position, word0, word1), (broken, counts[broken]))


def _words(kind: str, halves: list[Words]) -> tuple[Words, Words | None]:
    if kind == "pollfd":
        return halves[0], halves[1]
    if kind == "epoll_event":
        return halves[0], halves[1] | halves[2] << np.uint64(32)
    whole = [low | high << np.uint64(32) for low, high in zip(halves[::2], halves[1::2], strict=True)]
    return whole[0], whole[1] if len(whole) > 1 else None


def _descriptors(records: wire.Records, captures: Captures) -> SideRows | None:
    owner: list[int] = []
    position: list[int] = []
    values: list[int] = []
    for number, raw in enumerate(bytes_of(records, captures)):
        for place, descriptor in enumerate(passed_descriptors(raw)):
            owner.append(number)
            position.append(place)
            values.append(descriptor)
    broken = np.flatnonzero(captures.cut | (captures.captured < 0))
    if not owner and not len(broken):
        return None
    owners = np.array(owner, np.int64)
    elements = (owners, np.array(position, np.int64), np.array(values, np.uint64), None)
    return _rows(captures, "scm_rights", elements, (broken, np.bincount(owners, minlength=len(captures.call))[broken]))


def passed_descriptors(control: bytes) -> Iterator[int]:
    """Yields the descriptors in the control data of a message: see cmsg(3), and SCM_RIGHTS in unix(7)."""
    at = 0
    while at + _CONTROL.size <= len(control):
        length, level, kind = _CONTROL.unpack_from(control, at)
        if length < _CONTROL.size:
            return
        if (level, kind) == (_SOL_SOCKET, _SCM_RIGHTS):
            body = control[at + _CONTROL.size : at + length]
            for (descriptor,) in struct.iter_unpack("<I", body[: len(body) // 4 * 4]):
                yield descriptor
        at += (length + 7) & ~7


def _rows(
    captures: Captures,
    kind: str,
    elements: tuple[Integers, Integers, Words, Words | None],
    broken: tuple[Integers, Integers],
) -> SideRows:
    """Makes the rows; ``broken``: which captures are not whole, and the position of the first missing element."""
    owner, position, word0, word1 = elements
    missing, lacking = broken
    all_owners = np.concatenate([owner, missing])
    rows = len(all_owners)
    none = np.arange(rows) >= len(owner)
    why = np.full(rows, -1, np.int32)
    why[len(owner) :] = np.where(captures.lost[missing], 0, np.where(captures.captured[missing] < 0, 1, 2))
    columns = {
        "arg": pa.array(captures.arg[all_owners].astype(np.int16)),
        "kind": choice(np.full(rows, _NAMES.index(kind), np.int32), _NAMES),
        "phase": choice(captures.at_exit[all_owners].astype(np.int32), ("entry", "exit")),
        "position": pa.array(np.concatenate([position, lacking]).astype(np.int32)),
        "word0": _padded(word0, none),
        "word1": pa.nulls(rows, pa.uint64()) if word1 is None else _padded(word1, none),
        "status": choice(why, _STATUSES),
    }
    return SideRows(ARRAYS, pa.table(columns), captures.call[all_owners])


def _padded(words: Words, none: NDArray[np.bool_]) -> pa.Array:
    return pa.array(np.concatenate([words, np.zeros(len(none) - len(words), np.uint64)]), mask=none)
