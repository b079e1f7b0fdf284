"""Samples, as the BPF program sends them through rings of their own: ``struct wire_sample``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bpfrec.bpf.snapshots import REGISTERS

KERNEL_BYTES = 1016
PART_BYTES = 16384
MOST_PARTS = 16

IN_KERNEL, CAPPED, BITS_32, NO_USER, NO_REGISTERS = 1, 2, 4, 8, 16
"""``enum sample_flags``."""

HEAD = struct.Struct(f"<QQIIIHHiiII16s{REGISTERS}Q")
"""``struct wire_sample``."""

_SAMPLE = 9
_SAMPLE_HEADER = struct.Struct("<IHHI")


class Sample(NamedTuple):
    """A thread that ran at ``time`` (ns on CLOCK_MONOTONIC) on ``cpu``; ``number``: counted on each CPU.

    ``kernel``, ``user``: what there is of its stacks, ``user_bytes`` and ``kernel_bytes`` or -errno: return addresses,
    or a copy of the user stack from ``below`` bytes under the stack pointer in ``registers`` on.
    """

    cpu: int
    number: int
    time: int
    pid: int
    tid: int
    uid: int
    flags: int
    comm: bytes
    registers: tuple[int, ...]
    below: int
    kernel_bytes: int
    kernel: bytes
    user_bytes: int
    user: bytes


@dataclass
class SampleStream:
    """Puts the parts of samples together, out of pieces of the streams of several rings."""

    _unfinished: dict[int, Sample] = field(default_factory=dict)

    def feed(self, cpu: int, data: bytes | memoryview) -> tuple[list[Sample], int]:
        """The samples that ``data`` of the ring of ``cpu`` makes whole, and how many bytes need not come again."""
        whole: list[Sample] = []
        consumed = 0
        for end, part, sample in _parts(cpu, data):
            consumed = end
            if sample is None:
                continue
            before = self._unfinished.pop(cpu, None)
            if part:
                # Without its first part nothing is known of it.
                if before is None or before.number != sample.number or len(before.user) != part * PART_BYTES:
                    whole += [before] if before is not None else []
                    continue
                sample = before._replace(user=before.user + sample.user)  # noqa: PLW2901
            elif before is not None:
                whole.append(before)
            if len(sample.user) == (part + 1) * PART_BYTES and part < MOST_PARTS - 1:
                self._unfinished[cpu] = sample
            else:
                whole.append(sample)
        return whole, consumed

    def rest(self) -> list[Sample]:
        """Those of which more parts could have come."""
        rest = list(self._unfinished.values())
        self._unfinished.clear()
        return rest


def _parts(cpu: int, data: bytes | memoryview) -> Iterator[tuple[int, int, Sample | None]]:
    """The end of each perf record in ``data``, and which part of a sample it is, if it is one."""
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
        head = HEAD.unpack_from(data, body)
        number, when, pid, tid, uid, flags, part, kernel, user, below, _reserved, comm, *registers = head
        body += HEAD.size
        middle = min(body + max(kernel, 0), at)
        end = min(middle + max(user, 0), at)
        kernel_stack, user_stack = bytes(data[body:middle]), bytes(data[middle:end])
        yield (
            at,
            part,
            Sample(
                *(cpu, number, when, pid, tid, uid, flags, comm, tuple(registers), below),
                *(kernel, kernel_stack, user, user_stack),
            ),
        )
