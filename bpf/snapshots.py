"""Snapshots of stacks, as the BPF program sends them through rings of their own: ``struct wire_snapshot``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

REGISTERS = 8
"""rip, rsp, rbp, rbx, r12 to r15."""

PART_BYTES = 16384
MOST_PARTS = 32
PAGE_BYTES = 4096

HEAD = struct.Struct(f"<QQIIIHH{REGISTERS}Q")
"""``struct wire_snapshot``."""

_SAMPLE = 9
_SAMPLE_HEADER = struct.Struct("<IHHI")
_CPU_SHIFT = 48


class Snapshot(NamedTuple):
    """``number``: as calls name it; ``time``: ns on CLOCK_MONOTONIC.

    ``stack``: the bytes from the stack pointer on, or from ``below`` bytes under it. ``missing``: addresses of pages
    that could not be read; they are zeros in ``stack``.
    """

    number: int
    time: int
    pid: int
    tid: int
    registers: tuple[int, ...]
    stack: bytes
    missing: frozenset[int] = frozenset()
    below: int = 0

    def word(self, offset: int, size: int = 8) -> int | None:
        """The number of ``size`` bytes at ``offset`` from the stack pointer; None where the stack was not read."""
        at = offset + self.below
        if at < 0 or at + size > len(self.stack):
            return None
        if self.missing:
            first = self.registers[1] + offset
            if first & -PAGE_BYTES in self.missing or (first + size - 1) & -PAGE_BYTES in self.missing:
                return None
        return int.from_bytes(self.stack[at : at + size], "little")

    @property
    def readable(self) -> int:
        """How many bytes from the stack pointer on were read, up to the first page that was not."""
        end = len(self.stack) - self.below
        return max(0, min((page - self.registers[1] for page in self.missing), default=end))


@dataclass
class SnapshotStream:
    """Puts the parts of snapshots together, out of pieces of the streams of several rings."""

    _unfinished: dict[int, Snapshot] = field(default_factory=dict)

    def feed(self, cpu: int, data: bytes | memoryview) -> tuple[list[Snapshot], int]:
        """The snapshots that ``data`` of the ring of ``cpu`` makes whole, and how many bytes need not come again."""
        whole: list[Snapshot] = []
        consumed = 0
        for end, part, snapshot in _parts(cpu, data):
            consumed = end
            if snapshot is None:
                continue
            before = self._unfinished.pop(cpu, None)
            if part and before is not None and before.number == snapshot.number:
                snapshot = before._replace(  # noqa: PLW2901
                    stack=before.stack + snapshot.stack, missing=before.missing | snapshot.missing
                )
            elif before is not None:
                whole.append(before)
            if len(snapshot.stack) == (part + 1) * PART_BYTES and part < MOST_PARTS - 1:
                self._unfinished[cpu] = snapshot
            else:
                whole.append(snapshot)
        return whole, consumed

    def rest(self) -> list[Snapshot]:
        """Those of which more parts could have come."""
        rest = list(self._unfinished.values())
        self._unfinished.clear()
        return rest


def _parts(cpu: int, data: bytes | memoryview) -> Iterator[tuple[int, int, Snapshot | None]]:
    """The end of each perf record in ``data``, and which part of a snapshot it is, if it is one."""
    at = 0
    while at + 8 <= len(data):
        kind, _misc, size = struct.unpack_from("<IHH", data, at)
        if size < 8 or at + size > len(data):
            return
        body = at + _SAMPLE_HEADER.size
        at += size
        if kind != _SAMPLE or size < _SAMPLE_HEADER.size + HEAD.size:
            yield at, 0, None
            continue
        number, when, pid, tid, held, part, missing, *registers = HEAD.unpack_from(data, body)
        body += HEAD.size
        stack = bytes(data[body : min(body + held, at)])
        first = registers[1] + part * PART_BYTES & -PAGE_BYTES
        pages = frozenset(first + page * PAGE_BYTES for page in range(16) if missing >> page & 1)
        yield at, part, Snapshot(number | cpu << _CPU_SHIFT, when, pid, tid, tuple(registers), stack, pages)
