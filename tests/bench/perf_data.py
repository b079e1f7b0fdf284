"""What is in a perf.data file: samples taken and lost."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<8s7Q")
_RECORD = struct.Struct("<IHH")
_U64 = struct.Struct("<Q")
_LOST, _SAMPLE, _LOST_SAMPLES = 2, 9, 13


@dataclass(frozen=True)
class Samples:
    """Samples in the file, and samples that found no room."""

    taken: int
    lost: int


def read_samples(path: Path) -> Samples:
    """Walks the records of the data section.

    The kernel tells of lost samples in the ring when there is room again (LOST); newer perfs ask for the total at the
    end (LOST_SAMPLES), which has those of LOST too.
    """
    taken = told = total = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        # magic, size, attr_size, attrs, data, event_types: offsets and sizes
        _, _, _, _, _, at, size, _ = _HEADER.unpack_from(data)
        end = at + size
        while at < end:
            kind, _, length = _RECORD.unpack_from(data, at)
            if kind == _SAMPLE:
                taken += 1
            elif kind == _LOST:
                told += _U64.unpack_from(data, at + 16)[0]
            elif kind == _LOST_SAMPLES:
                total += _U64.unpack_from(data, at + 8)[0]
            at += length
    return Samples(taken, max(told, total))
