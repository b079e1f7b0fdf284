"""Snapshots as the BPF program sends them, through rings of their own: ``struct wire_snapshot``."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from bpfrec.bpf.fragments import FRAGMENT_BYTES, Fragment, FragmentStream
from bpfrec.bpf.perf_records import HEADER, SAMPLE

REGISTERS = 8
"""How many registers a snapshot has: rip, rsp, rbp, rbx, r12 to r15, in this order."""

MOST_PARTS = 32
PAGE_BYTES = 4096

NAME_BYTES = 16

HEAD = struct.Struct(f"<QQIIIHH{REGISTERS}QQ{NAME_BYTES}s")
"""``struct wire_snapshot``."""

# Of these, what tells which calls look alike: part, rip, depth, comm.
_KEY = struct.Struct(f"<28xH2xQ{8 * (REGISTERS - 1)}xQ{NAME_BYTES}s")

Key = tuple[int, bytes, int]
"""Depth, name, and instruction pointer within its page: what processes that execute the same program have in common."""

_CPU_SHIFT = 48
# A raw sample begins with its length.
_LENGTH = struct.Struct("<I")


class Snapshot(NamedTuple):
    """The registers of a thread and a copy of its stack; ``number``: by which calls refer to it.

    ``time``: ns on CLOCK_MONOTONIC. ``stack``: the bytes from the stack pointer on, or from ``below`` bytes under it.
    ``missing``: addresses of pages that could not be read; they are zeros in ``stack``. ``depth``: bytes from the stack
    pointer to where the stack begins, or else the stack pointer itself. ``comm``: the name of the thread.
    """

    number: int
    time: int
    pid: int
    tid: int
    registers: tuple[int, ...]
    stack: bytes
    missing: frozenset[int] = frozenset()
    below: int = 0
    depth: int = 0
    comm: bytes = bytes(NAME_BYTES)

    def word(self, offset: int, size: int = 8) -> int | None:
        """The number of ``size`` bytes at ``offset`` from the stack pointer; None where the copy does not have it."""
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
        """How many bytes from the stack pointer on were copied, up to the first missing page."""
        end = len(self.stack) - self.below
        return max(0, min((page - self.registers[1] for page in self.missing), default=end))

    @property
    def key(self) -> Key:
        """By what the BPF program looks for the stack: ``struct path_key``."""
        return self.depth, self.comm, self.registers[0] % PAGE_BYTES


def snapshot_stream(is_wanted: Callable[[Key], bool] | None = None) -> FragmentStream[Snapshot]:
    """Puts snapshots together from their fragments; of those whose key ``is_wanted``, if that is given."""
    if is_wanted is None:
        return FragmentStream(_part, _joined, MOST_PARTS)

    def wanted_part(cpu: int, data: memoryview) -> Fragment[Snapshot] | None:
        if len(data) >= HEAD.size:
            part, ip, depth, comm = _KEY.unpack_from(data)
            if not part and not is_wanted((depth, comm, ip % PAGE_BYTES)):
                return None
        return _part(cpu, data)

    return FragmentStream(wanted_part, _joined, MOST_PARTS)


def samples_of(snapshot: Snapshot) -> bytes:
    """The perf samples by which the BPF program would send ``snapshot``, through the ring of :func:`cpu_of`."""
    samples = []
    for part in range(max(1, -(-len(snapshot.stack) // FRAGMENT_BYTES))):
        stack = snapshot.stack[part * FRAGMENT_BYTES : (part + 1) * FRAGMENT_BYTES]
        first = snapshot.registers[1] + part * FRAGMENT_BYTES & -PAGE_BYTES
        missing = sum(1 << page for page in range(16) if first + page * PAGE_BYTES in snapshot.missing)
        number = snapshot.number % (1 << _CPU_SHIFT)
        head = (number, snapshot.time, snapshot.pid, snapshot.tid, len(stack), part, missing)
        content = HEAD.pack(*head, *snapshot.registers, snapshot.depth, snapshot.comm) + stack
        body = _LENGTH.pack(len(content)) + content
        body += bytes(-(HEADER.size + len(body)) % 8)
        samples.append(HEADER.pack(SAMPLE, 0, HEADER.size + len(body)) + body)
    return b"".join(samples)


def cpu_of(snapshot: Snapshot) -> int:
    """The CPU that ``snapshot`` was taken on."""
    return snapshot.number >> _CPU_SHIFT


def _joined(before: Snapshot, more: Snapshot) -> Snapshot:
    return before._replace(stack=before.stack + more.stack, missing=before.missing | more.missing)


def _part(cpu: int, data: memoryview) -> Fragment[Snapshot] | None:
    if len(data) < HEAD.size:
        return None
    number, when, pid, tid, held, part, missing, *others = HEAD.unpack_from(data)
    registers, (depth, comm) = others[:REGISTERS], others[REGISTERS:]
    stack = bytes(data[HEAD.size : HEAD.size + held])
    first = registers[1] + part * FRAGMENT_BYTES & -PAGE_BYTES
    pages = frozenset(first + page * PAGE_BYTES for page in range(16) if missing >> page & 1)
    whole = Snapshot(number | cpu << _CPU_SHIFT, when, pid, tid, tuple(registers), stack, pages, 0, depth, comm)
    return Fragment(whole, number, part, len(stack))
