"""The records in a perf ring: ``struct perf_event_header`` and a body, one behind the other.

Layout: include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEADER = struct.Struct("<IHH")
"""Kind, flags of the kind, and size in bytes with this header."""

LOST, COMM, EXIT, THROTTLE, FORK, SAMPLE, MMAP2 = 2, 3, 4, 5, 7, 9, 10
"""Kinds: members of ``enum perf_event_type``."""


def perf_records(data: memoryview) -> Iterator[tuple[int, int, int, int]]:
    """The whole records in ``data``, which starts with one: kind, flags, and where the body starts and ends.

    Positions are bytes from the start of ``data``. Ends before a record that is cut off or cannot be one.
    """
    at, end = 0, len(data)
    while at + HEADER.size <= end:
        kind, misc, size = HEADER.unpack_from(data, at)
        if size < HEADER.size or at + size > end:
            return
        yield kind, misc, at + HEADER.size, at + size
        at += size
