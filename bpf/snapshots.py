"""Snapshots of stacks, as the BPF program sends them through rings of their own: ``struct wire_snapshot``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

REGISTERS = 8
"""rip, rsp, rbp, rbx, r12 to r15."""

PART_BYTES = 16384
MOST_PARTS = 4

HEAD = struct.Struct(f"<QQIIII{REGISTERS}Q")
"""``struct wire_snapshot``."""

_SAMPLE = 9
_SAMPLE_HEADER = struct.Struct("<IHHI")
_CPU_SHIFT = 48


class Snapshot(NamedTuple):
    """``number``: as calls name it; ``time``: ns on CLOCK_MONOTONIC.

    ``stack``: the bytes from the stack pointer on, or from ``below`` bytes under it.
    """

    number: int
    time: int
    pid: int
    tid: int
    registers: tuple[int, ...]
    stack: bytes
    below: int = 0


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
                snapshot = before._replace(stack=before.stack + snapshot.stack)  # noqa: PLW2901
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
        number, when, pid, tid, held, part, *registers = HEAD.unpack_from(data, body)
        body += HEAD.size
        stack = bytes(data[body : min(body + held, at)])
        yield at, part, Snapshot(number | cpu << _CPU_SHIFT, when, pid, tid, tuple(registers), stack)
