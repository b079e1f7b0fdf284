"""Known stacks: those that the BPF program (``programs/stacks.c``) recognises, so that no snapshot is needed."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from bpfrec.bpf.snapshots import REGISTERS

MAX_KNOWN_STACKS = 8192
"""Stacks that the table holds. Each takes 2.7 KB, allocated when it is added."""

MOST_WORDS = 256
"""Stack words that may be compared for one known stack."""

FARTHEST = 65536
"""Bytes above the stack pointer at which the last compared word must end."""

VARIANTS = 16
"""Known stacks of one process that may share an instruction pointer and a stack pointer."""

MOST_STEPS = 192
"""Steps of the BPF program's loop. Each variant takes one, and so do four neighbouring words or one distant word."""

_COPIED = 16384
_AT_ONCE = 4
_ALL_BITS = (1 << 64) - 1

KEY = struct.Struct("<QQII")
"""``struct path_key``: instruction pointer, stack pointer, pid, variant."""

VALUE = struct.Struct(f"<{1 + 2 * REGISTERS}Q3I4x{MOST_WORDS}Q{MOST_WORDS}H")
"""``struct known_path``."""

Key = tuple[int, int, int]
"""pid, instruction pointer, stack pointer."""


@dataclass(frozen=True)
class KnownStack:
    """What a call must have in common with ``snapshot`` to have its stack.

    ``registers``: all registers of the snapshot; ``compared``: indexes of those that must be equal. ``words``: the
    stack words that must be equal, by address. ``readable``: bytes from the stack pointer on that one read can copy.
    """

    snapshot: int
    pid: int
    registers: Sequence[int]
    compared: frozenset[int]
    words: Mapping[int, int]
    readable: int

    @property
    def key(self) -> Key:
        """The key by which the BPF program looks it up."""
        return self.pid, self.registers[0], self.registers[1]


class Table(Protocol):
    """A map of the kernel."""

    def __setitem__(self, key: bytes, value: bytes) -> None:
        """Adds or replaces."""

    def __delitem__(self, key: bytes) -> None:
        """Deletes, or raises a KeyError."""


class KnownStacks:
    """The BPF program's table of known stacks; ``table``: the map, which takes :data:`MAX_KNOWN_STACKS`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._variants: dict[Key, list[KnownStack]] = {}
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing can be added."""
        return self.count >= MAX_KNOWN_STACKS

    def add(self, stack: KnownStack) -> bool:
        """Makes the BPF program recognise ``stack``; False if it has no room, or cannot compare so much."""
        variants = self._variants.get(stack.key, [])
        sp = stack.registers[1]
        offsets = sorted(address - sp for address in stack.words)
        if not offsets or len(offsets) > MOST_WORDS or offsets[0] < 0 or offsets[-1] + 8 > FARTHEST:
            return False
        span = max((o + 8 for o in offsets if o + 8 <= min(stack.readable, _COPIED)), default=0)
        near = sum(o + 8 <= span for o in offsets)
        steps = VARIANTS + near // _AT_ONCE + near % _AT_ONCE + len(offsets) - near
        if len(variants) >= VARIANTS or self.is_full or steps >= MOST_STEPS:
            return False
        value = VALUE.pack(
            stack.snapshot,
            *stack.registers,
            *(_ALL_BITS if number in stack.compared else 0 for number in range(REGISTERS)),
            *(len(offsets), near, span),
            *_padded([stack.words[sp + offset] for offset in offsets]),
            *_padded(offsets),
        )
        self._table[_key(stack.key, len(variants))] = value
        self._variants[stack.key] = [*variants, stack]
        self.count += 1
        return True

    def variants(self, key: Key) -> Sequence[KnownStack]:
        """The known stacks with this key."""
        return self._variants.get(key, ())

    def remove(self, key: Key) -> None:
        """Removes all known stacks with this key."""
        for variant in reversed(range(len(self._variants.pop(key, ())))):
            self.count -= 1
            with suppress(KeyError):
                del self._table[_key(key, variant)]


def _key(key: Key, variant: int) -> bytes:
    pid, ip, sp = key
    return KEY.pack(ip, sp, pid, variant)


def _padded(numbers: list[int]) -> list[int]:
    return numbers + [0] * (MOST_WORDS - len(numbers))
