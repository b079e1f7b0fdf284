"""Spools: files that the rings are drained into while recording, one for each kind of ring.

A spool is a row of chunks: :data:`HEADER`, then the bytes that one look at one ring found, which are whole perf
records.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.fragments import FragmentStream, Whole
from bpfrec.bpf.wire import Part

HEADER = struct.Struct("<4sHHQQ")
"""Magic, CPU, unused, length in bytes, time of the drain in ns on CLOCK_MONOTONIC."""

_MAGIC = b"bpfR"

# include/uapi/linux/falloc.h
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)

_BATCH_BYTES = 16 << 20

Decoded = TypeVar("Decoded")


@dataclass
class Chunk:
    """Bytes drained from rings, until ``time`` (ns, CLOCK_MONOTONIC); the next chunk overwrites them.

    ``parts``: of which rings they are; one, if chunks are not joined. ``left``: set by the reader; so many bytes at the
    end, a record that is cut off, come again at the start of the next batch.
    """

    data: NDArray[np.uint8]
    parts: list[Part]
    time: int
    left: int = 0

    @property
    def cpu(self) -> int:
        """The CPU whose ring the first part is of."""
        return self.parts[0].cpu


class SpoolWriter:
    """Appends to a new file at ``path``, which its owner may use, and ``group`` if there is one. Disk errors come as
    OSError.

    ``bytes_written``: so far.
    """

    def __init__(self, path: Path, group: int | None = None) -> None:
        self.bytes_written = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        if group is not None:
            os.fchown(self._descriptor, -1, group)
            os.fchmod(self._descriptor, 0o660)

    def write(self, cpu: int, when: int, slices: Sequence[memoryview]) -> None:
        """Appends one chunk: ``slices`` of the ring of ``cpu``, drained at ``when`` (ns, CLOCK_MONOTONIC)."""
        length = sum(len(s) for s in slices)
        self.append([memoryview(HEADER.pack(_MAGIC, cpu, 0, length, when)), *slices])

    def append(self, slices: Sequence[memoryview]) -> None:
        """Appends bytes that are no chunk, for a file of rows."""
        waiting = list(slices)
        while waiting:
            written = os.writev(self._descriptor, waiting)
            self.bytes_written += written
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if waiting:
                waiting[0] = waiting[0][written:]

    def sync(self) -> None:
        """Returns when what was written so far is on the disk."""
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_chunks(
    path: Path, largest: int, consume: bool = False, span: tuple[int, int] | None = None, *, joined: bool = False
) -> Iterator[Chunk]:
    """The chunks of a spool in order, longer ones in batches of at most ``largest`` bytes (a multiple of 8).

    A chunk that is cut off at the end of the file, as by a full disk, is given as far as it goes. ``consume``: give the
    room on the disk back as soon as a batch is read, where the file system can. ``span``: offsets of the first chunk
    and behind the last one; None: all. ``joined``: as many chunks at once as ``largest`` bytes have room for.
    """
    start, end = span or (0, path.stat().st_size)
    buffer = np.empty(max(min(largest, end - start) // 8 * 8, 8), np.uint8)
    parts: list[Part] = []
    filled = time = 0
    with path.open("r+b" if consume else "rb", buffering=0) as file:
        for cpu, length, when in _heads(file, (start, end)):
            if parts and (not joined or filled + length > len(buffer)):
                yield Chunk(buffer[:filled], parts, time)
                parts, filled = [], 0
            time, wanted, kept = when, length, filled
            # No record of ours is longer than a batch: where one is, the spool is damaged.
            while wanted and (got := file.readinto(buffer.data[filled : filled + min(wanted, len(buffer) - filled)])):
                filled, wanted = filled + got, wanted - got
                if consume:
                    _give_back(file.fileno(), file.tell())
                if wanted and filled == len(buffer):
                    batch = Chunk(buffer, [*parts, Part(cpu, filled)], time)
                    yield batch
                    buffer[: batch.left] = buffer[len(buffer) - batch.left :]
                    parts, filled, kept = [], batch.left, batch.left
            filled = filled // 8 * 8
            if filled > kept:
                parts.append(Part(cpu, filled))
        if parts:
            yield Chunk(buffer[:filled], parts, time)


def _heads(file: FileIO, span: tuple[int, int] | None) -> Iterator[tuple[int, int, int]]:
    """CPU, length in bytes and time of each chunk of ``span`` in a spool; ``file`` is then where its bytes begin.

    The next chunk is read wherever ``file`` is by then.
    """
    start, end = span or (0, os.fstat(file.fileno()).st_size)
    file.seek(start)
    while file.tell() < end and len(head := file.read(HEADER.size)) == HEADER.size:
        magic, cpu, _unused, length, when = HEADER.unpack(head)
        if magic != _MAGIC:
            return
        yield cpu, length, when


def give_back(path: Path, end: int) -> None:
    """Gives the room of the spool at ``path`` back up to ``end``, where the file system can; its length stays."""
    with path.open("r+b", buffering=0) as file:
        _give_back(file.fileno(), end)


def _give_back(descriptor: int, end: int) -> None:
    """Makes a hole of the file up to ``end``: its length stays, and reads there give zeros. See fallocate(2)."""
    _libc.fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(end))


def read_decoded(
    path: Path,
    decode: Callable[[Chunk], tuple[Decoded, int]],
    largest: int,
    report: Callable[[float], None],
    consume: bool = False,
    span: tuple[int, int] | None = None,
    *,
    joined: bool = False,
) -> Iterator[Decoded]:
    """What ``decode`` makes of each chunk (of at most ``largest`` bytes); it also says how many bytes it consumed.

    ``report`` gets the share of the span that is read, 0 to 1. The rest as of :func:`read_chunks`.
    """
    start, end = span or (0, path.stat().st_size)
    total, done = max(1, end - start), 0
    for chunk in read_chunks(path, largest, consume, (start, end), joined=joined):
        decoded, consumed = decode(chunk)
        chunk.left = len(chunk.data) - consumed
        yield decoded
        done += HEADER.size * len(chunk.parts) + consumed
        report(min(1.0, done / total))


def read_whole(path: Path, stream: FragmentStream[Whole], report: Callable[[float], None]) -> Iterator[list[Whole]]:
    """What ``stream`` joins from the fragments in the spool at ``path``, some at a time; ``report`` as above."""

    def feed(chunk: Chunk) -> tuple[list[Whole], int]:
        return stream.feed(chunk.cpu, chunk.data.data)

    for whole in read_decoded(path, feed, _BATCH_BYTES, report):
        if whole:
            yield whole
    if rest := stream.rest():
        yield rest


def last_drain(path: Path, start: int = 0) -> int | None:
    """When the last chunk in the spool at ``path`` was drained, ns on CLOCK_MONOTONIC; None: there is none.

    ``start``: where a chunk begins.
    """
    last = None
    with path.open("rb", buffering=0) as file:
        for _cpu, length, when in _heads(file, (start, os.fstat(file.fileno()).st_size)):
            last = when
            # A chunk that is cut off is the last one: this goes behind the end of the file.
            file.seek(length, os.SEEK_CUR)
    return last
