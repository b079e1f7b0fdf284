"""``perf-PID.map``: the names that a JIT compiler gives to the code it makes.

Format: tools/perf/Documentation/jit-interface.txt in the kernel's sources. A line is ``START SIZE NAME`` with START
and SIZE in hex, some runtimes writing 0x before them; names may hold spaces.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

# Anybody may write such a file, and it may be sparse.
_LINE_BYTES = 1 << 14
_LARGEST = 1 << 30


@dataclass(frozen=True)
class JitSymbol:
    """Code of ``size`` bytes at ``address`` in the process."""

    address: int
    size: int
    name: str


def symbols_for(file: BinaryIO, addresses: Iterable[int]) -> dict[int, JitSymbol]:
    """The entry of the map ``file`` that covers each of ``addresses``, where there is one.

    Lines are appended, so a later line wins where two overlap. Only what ``addresses`` need is kept, and the first GiB
    is read; lines that do not read as entries are passed over, overlong ones are cut.
    """
    wanted = sorted(set(addresses))
    found: dict[int, JitSymbol] = {}
    read = 0
    whole = True
    while read < _LARGEST and (line := file.readline(_LINE_BYTES)):
        read += len(line)
        start, size, name = _fields(line) if whole else (0, 0, b"")
        whole = line.endswith(b"\n")
        if size <= 0:
            continue
        index = bisect.bisect_left(wanted, start)
        if index < len(wanted) and wanted[index] < start + size:
            symbol = JitSymbol(start, size, name.decode("utf-8", "backslashreplace"))
            while index < len(wanted) and wanted[index] < start + size:
                found[wanted[index]] = symbol
                index += 1
    return found


def _fields(line: bytes) -> tuple[int, int, bytes]:
    """Start, size and name of one line; size 0 where it is no entry."""
    parts = line.rstrip(b"\r\n").split(b" ", 2)
    if len(parts) < 3:
        return 0, 0, b""
    try:
        start, size = int(parts[0], 16), int(parts[1], 16)
    except ValueError:
        return 0, 0, b""
    return (start, size, parts[2]) if start >= 0 and size > 0 and start + size < 1 << 63 else (0, 0, b"")
