"""Times off the CPU as the BPF program sends them, through rings of their own: ``struct wire_off_cpu``."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf.perf_records import HEADER, SAMPLE, perf_records

PREEMPTED, ENDED = 1 << 30, 1 << 29
"""``enum off_cpu_state``: bits of ``state`` beside those of the kernel."""

OFF_CPU = np.dtype(
    [
        *((name, "<u8") for name in ("ts", "back", "woken", "call", "run", "user", "system")),
        *((name, "<u4") for name in ("pid", "tid", "uid")),
        ("nr", "<i4"),
        *((name, "<u4") for name in ("state", "waker_pid", "waker_tid")),
        ("cpu", "<u2"),
        ("back_cpu", "<u2"),
        ("call_flags", "u1"),
        ("reserved", "V3"),
        ("kernel", "<i4"),
        ("comm", "V16"),
    ]
)
"""``struct wire_off_cpu``, 112 bytes."""

# A raw sample begins with its length.
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class OffCpuRecords:
    """``heads``: records (dtype :data:`OFF_CPU`); ``stacks``: the kernel stack of each, as bytes of addresses.

    ``consumed``: bytes that are dealt with; the rest is a perf record that is cut off, to be given again.
    """

    heads: NDArray[np.void]
    stacks: list[bytes]
    consumed: int


def decode(data: NDArray[np.uint8]) -> OffCpuRecords:
    """The records in ``data``, a part of one ring's stream that starts at a perf record."""
    starts: list[int] = []
    ends: list[int] = []
    consumed = 0
    for kind, _misc, start, end in perf_records(data.data):
        consumed = end
        if kind == SAMPLE and end - start >= _LENGTH.size + OFF_CPU.itemsize:
            starts.append(start + _LENGTH.size)
            ends.append(end)
    first = np.array(starts, np.int64)
    heads = data[first[:, None] + np.arange(OFF_CPU.itemsize)].reshape(-1).view(OFF_CPU)
    held = np.maximum(heads["kernel"], 0) // 8 * 8
    behind = first + OFF_CPU.itemsize
    stops = np.minimum(behind + held, np.array(ends, np.int64))
    stacks = [b""] * len(heads)
    for number in np.flatnonzero(held).tolist():
        stacks[number] = data[behind[number] : stops[number]].tobytes()
    return OffCpuRecords(heads, stacks, consumed)


def sample(room: bytes) -> bytes:
    """The perf sample of a record with what follows it in ``room``, as the ring would have it."""
    kernel = int(np.frombuffer(room, OFF_CPU, 1)["kernel"][0])
    body = room[: OFF_CPU.itemsize + max(kernel, 0)]
    raw = _LENGTH.pack(len(body)) + body
    raw += bytes(-len(raw) % 8)
    return HEADER.pack(SAMPLE, 0, HEADER.size + len(raw)) + raw
