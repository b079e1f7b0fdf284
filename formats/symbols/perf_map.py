"""``perf-PID.map``: the file in which a runtime names its JIT code.

Format: tools/perf/Documentation/jit-interface.txt in the kernel's sources. A line is ``START SIZE NAME`` with START
and SIZE in hex, some runtimes writing 0x before them; names may hold spaces. Lines are appended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

LARGEST = 1 << 30
"""The most bytes of a map that are read. Anybody may write one, and it may be sparse."""

_LINE_BYTES = 1 << 14
_BLOCK = 1 << 20
_SHORTEST_LINE = 5
_HEX_DIGITS = 16
_MOST_PER_ADDRESS = 1 << 7
_MOST_ENTRIES = 1 << 20
_MOST_LINES = 1 << 25
_END = 1 << 63

_DIGITS = np.full(256, -1, np.int8)
for _characters in (b"0123456789abcdef", b"0123456789ABCDEF"):
    _DIGITS[np.frombuffer(_characters, np.uint8)] = np.arange(16)

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class JitSymbol:
    """Code of ``size`` bytes at ``address`` in the process."""

    address: int
    size: int
    name: str


@dataclass
class Entries:
    """The entries of a map by address, in their order, each with the offset in bytes where its line ends.

    ``cut``: the map is longer than what was read. ``older``: addresses with too many entries: the first are dropped.
    ``lines``, ``kept``: how many lines were read, and entries found.
    """

    found: dict[int, list[tuple[int, JitSymbol]]] = field(default_factory=dict)
    cut: bool = False
    older: set[int] = field(default_factory=set)
    lines: int = 0
    kept: int = 0

    @property
    def full(self) -> bool:
        """Whether to stop reading: so many lines or entries take ten seconds."""
        return self.kept >= _MOST_ENTRIES or self.lines >= _MOST_LINES


def entries_for(file: BinaryIO, addresses: Iterable[int], largest: int = LARGEST) -> Entries:
    """The entries of the map ``file`` that cover ``addresses``.

    Reads at most ``largest`` bytes. Lines that are no entries are skipped, overlong ones cut.
    """
    wanted = np.array(sorted(a for a in set(addresses) if 0 <= a < _END), np.int64)
    entries = Entries()
    rest, position = b"", 0
    in_long_line = False
    while len(wanted) and position < largest and not entries.full:
        # A file of the kernel's own that is not ready, such as /proc/kmsg, gives None.
        block = file.read(min(_BLOCK, largest - position)) or b""
        text, at = rest + block, position - len(rest)
        position += len(block)
        if in_long_line:
            # The rest of an overlong line is not a line.
            skipped = text.find(b"\n") + 1 or len(text)
            in_long_line = text[skipped - 1 : skipped] != b"\n"
            text, at = text[skipped:], at + skipped
        end = text.rfind(b"\n") + 1 if block else len(text)
        _add(entries, wanted, text[:end], at)
        rest = text[end:]
        if len(rest) > _LINE_BYTES:
            _add(entries, wanted, rest[:_LINE_BYTES], at + end)
            rest, in_long_line = b"", True
        if not block:
            return entries
    entries.cut = len(wanted) > 0 and (entries.full or bool(file.read(1)))
    return entries


def _add(entries: Entries, wanted: Integers, text: bytes, offset: int) -> None:
    """Adds the entries for ``wanted`` in ``text``, whole lines that begin at ``offset`` in the file."""
    raw = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(raw == ord("\n"))
    if len(raw) and raw[-1] != ord("\n"):
        ends = np.append(ends, len(raw))
    starts = np.append(0, ends[:-1] + 1)[: len(ends)]
    long_enough = ends - starts >= _SHORTEST_LINE
    starts, ends = starts[long_enough], ends[long_enough]
    entries.lines += len(starts)
    padded = np.append(raw, np.zeros(2 * _HEX_DIGITS + 8, np.uint8))
    address, at, is_entry = _hex(padded, starts)
    size, at, is_size = _hex(padded, np.where(is_entry, at, 0))
    highest = address + size
    is_entry &= is_size & (at < ends) & (address < _END) & (size > 0) & (size < _END) & (highest < _END)
    first = np.searchsorted(wanted, address.astype(np.int64))
    last = np.searchsorted(wanted, highest.astype(np.int64))
    for row in np.flatnonzero(is_entry & (first < last)).tolist():
        name = text[at[row] : min(int(ends[row]), int(starts[row]) + _LINE_BYTES)].rstrip(b"\r")
        symbol = JitSymbol(int(address[row]), int(size[row]), name.decode("utf-8", "backslashreplace"))
        for covered in wanted[first[row] : last[row]].tolist():
            known = entries.found.setdefault(covered, [])
            if not known or known[-1][1] != symbol:
                known.append((offset + int(ends[row]) + 1, symbol))
                if len(known) > _MOST_PER_ADDRESS:
                    del known[0]
                    entries.older.add(covered)
            entries.kept += 1
        if entries.kept >= _MOST_ENTRIES:
            return


def _hex(padded: NDArray[np.uint8], at: Integers) -> tuple[NDArray[np.uint64], Integers, NDArray[np.bool_]]:
    """The hexadecimal numbers at ``at``, the offsets of the next fields, and whether they are numbers at all."""
    at = at + 2 * ((padded[at] == ord("0")) & ((padded[at + 1] | 0x20) == ord("x")))
    digits = _DIGITS[padded[at[:, None] + np.arange(_HEX_DIGITS + 1)]]
    count = np.argmax(digits < 0, axis=1)
    value = np.zeros(len(at), np.uint64)
    for place in range(_HEX_DIGITS):
        more = place < count
        value[more] = value[more] << np.uint64(4) | digits[more, place].astype(np.uint64)
    return value, at + count + 1, (count > 0) & (padded[at + count] == ord(" "))
