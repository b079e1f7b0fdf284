"""The spool: what was drained from the rings, as it was, in a file each for calls and side band.

A chunk is :data:`HEADER` and the bytes of one ring between two drains: whole perf records.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.parts import PartStream, Whole

HEADER = struct.Struct("<4sHHQQ")
"""Magic, CPU, unused, length in bytes, time of the drain in ns on CLOCK_MONOTONIC."""

_MAGIC = b"bpfR"
_PIECE_BYTES = 16 << 20


@dataclass
class Chunk:
    """Bytes drained from the ring of ``cpu`` at ``time`` (ns, CLOCK_MONOTONIC); they are overwritten by the next ones.

    ``left``: how many at the end, a record cut off, are to come again at the start of the next piece; for the reader
    to set.
    """

    cpu: int
    time: int
    data: NDArray[np.uint8]
    left: int = 0


class SpoolWriter:
    """Appends chunks to the file at ``path``. Disk errors come as OSError."""

    def __init__(self, path: Path) -> None:
        self.bytes_written = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, cpu: int, when: int, slices: Sequence[memoryview]) -> None:
        """Appends one chunk."""
        length = sum(len(s) for s in slices)
        parts = [memoryview(HEADER.pack(_MAGIC, cpu, 0, length, when)), *slices]
        while parts:
            written = os.writev(self._descriptor, parts)
            self.bytes_written += written
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][written:]

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_chunks(path: Path, largest: int) -> Iterator[Chunk]:
    """The chunks of a spool in order, longer ones in pieces of at most ``largest`` bytes (a multiple of 8).

    A chunk cut off at the end of the file, as by a full disk, is given as far as it goes.
    """
    buffer = np.empty(0, np.uint8)
    with path.open("rb", buffering=0) as file:
        while len(head := file.read(HEADER.size)) == HEADER.size:
            magic, cpu, _unused, length, when = HEADER.unpack(head)
            if magic != _MAGIC:
                return
            if len(buffer) < min(length, largest):
                buffer = np.empty(min(length, largest), np.uint8)
            left = 0
            while length:
                wanted = min(length, len(buffer) - left)
                # A record longer than a piece is none of ours.
                got = file.readinto(buffer.data[left : left + wanted])
                if not got:
                    return
                length -= got
                chunk = Chunk(cpu, when, buffer[: (left + got) // 8 * 8])
                yield chunk
                left = chunk.left if length else 0
                buffer[:left] = chunk.data[len(chunk.data) - left :]


def read_parts(
    path: Path,
    stream: PartStream[Whole],
    report: Callable[[float], None],
    take: Callable[[Chunk], bool] = lambda _: False,
) -> Iterator[list[Whole]]:
    """What ``stream`` makes of the chunks at ``path``, some at a time; ``report`` gets the share done, 0 to 1.

    ``take``: whether it has taken a chunk, which is then none for ``stream``.
    """
    total, done = max(1, path.stat().st_size), 0
    for chunk in read_chunks(path, _PIECE_BYTES):
        done += len(chunk.data)
        if take(chunk):
            continue
        whole, consumed = stream.feed(chunk.cpu, chunk.data.data)
        chunk.left = len(chunk.data) - consumed
        if whole:
            yield whole
        report(done / total)
    if rest := stream.rest():
        yield rest
