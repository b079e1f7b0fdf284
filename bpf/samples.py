"""Samples as the BPF program sends them, through rings of their own: ``struct wire_sample``."""

from __future__ import annotations

import struct
from typing import NamedTuple

from bpfrec.bpf.fragments import Fragment, FragmentStream
from bpfrec.bpf.snapshots import REGISTERS

KERNEL_BYTES = 1016
MOST_PARTS = 16

IN_KERNEL, CAPPED, BITS_32, NO_USER, NO_REGISTERS = 1, 2, 4, 8, 16
"""``enum sample_flags``."""

HEAD = struct.Struct(f"<QQIIIHHiiII16s{REGISTERS}Q")
"""``struct wire_sample``."""


class Sample(NamedTuple):
    """The thread that ran at ``time`` (ns on CLOCK_MONOTONIC) on ``cpu``; ``number``: counts the samples of a CPU.

    ``kernel``: return addresses in the kernel. ``user``: return addresses (``--stacks fp``), or a copy of the stack
    from ``below`` bytes under the stack pointer on (``--stacks full``). ``kernel_bytes``, ``user_bytes``: their sizes
    in the first fragment, or -errno. ``registers``: as in :class:`.Snapshot`.
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


def sample_stream() -> FragmentStream[Sample]:
    """Puts samples together from their fragments."""
    return FragmentStream(_part, lambda before, more: before._replace(user=before.user + more.user), MOST_PARTS)


def _part(cpu: int, data: memoryview) -> Fragment[Sample] | None:
    if len(data) < HEAD.size:
        return None
    number, when, pid, tid, uid, flags, part, kernel, user, below, _reserved, comm, *registers = HEAD.unpack_from(data)
    middle = HEAD.size + max(kernel, 0)
    kernel_stack, user_stack = bytes(data[HEAD.size : middle]), bytes(data[middle : middle + max(user, 0)])
    whole = Sample(
        *(cpu, number, when, pid, tid, uid, flags, comm, tuple(registers), below),
        *(kernel, kernel_stack, user, user_stack),
    )
    return Fragment(whole, number, part, len(user_stack))
