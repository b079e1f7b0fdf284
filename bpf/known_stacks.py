"""Known stacks: those that the BPF program (``programs/stacks.c``) recognises, so that no snapshot is needed."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from bpfrec.bpf.snapshots import NAME_BYTES, PAGE_BYTES, REGISTERS, Key, Snapshot

MAX_KNOWN_STACKS = 8192
"""Stacks that the table holds. Each takes 3 KB, allocated when it is added."""

MOST_WORDS = 256
"""Stack words that may be compared for one known stack."""

WORDS_AT_ONCE = 8
"""Words that the BPF program compares in one step. Their number is made up to a multiple of that by repeating one."""

FARTHEST = 65536
"""Bytes above the stack pointer at which the last compared word must end."""

VARIANTS = 24
"""Known stacks that may share a key."""

STEPS_AT_ONCE = 16
"""Steps of the BPF program that compares: each takes eight words within the span, or one word. For more of them, and
for the next variant, it runs again, which the kernel allows 32 times."""

NO_SHIFT, STACK_SHIFT, IP_SHIFT, FILE_SHIFTS, SHIFTS = 0, 1, 2, 3, 8
"""Groups of words that are shifted alike in another process: not at all, with the stack, with the file in which the
call was made, and, from ``FILE_SHIFTS`` on, with further files."""

_COPIED = 16384
_ROOM = MOST_WORDS + WORDS_AT_ONCE
_ALL_BITS = (1 << 64) - 1
_MIXED_WITH = (
    *(0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB),
    *(0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB),
)

KEY = struct.Struct(f"<Q{NAME_BYTES}sII")
"""``struct path_key``: depth, name, instruction pointer within its page, variant."""

VALUE = struct.Struct(f"<{1 + 3 * REGISTERS}Q5I4x{_ROOM}Q{_ROOM}H{_ROOM}B")
"""``struct known_path``."""


def mixed_shifts(shifts: Sequence[int]) -> int:
    """One number for the shifts of the groups from ``IP_SHIFT`` on, as the BPF program computes it; 0 if all are 0."""
    return sum(shift * factor for shift, factor in zip(shifts, _MIXED_WITH, strict=False)) & _ALL_BITS


@dataclass(frozen=True)
class KnownStack:
    """What a call must have in common with ``snapshot`` to have its stack.

    ``compared``: indexes of the registers that must be equal. ``words``: the stack words that must be equal, by
    address. If ``groups`` is given, the call may be another process's, with other addresses: it has the group of each
    word, by address; the registers ``moving`` point to the stack.
    """

    snapshot: Snapshot
    compared: frozenset[int]
    words: Mapping[int, int]
    groups: Mapping[int, int] | None = None
    moving: frozenset[int] = frozenset()
    offsets: Sequence[int] = field(init=False)
    """Where the words are, in bytes from the stack pointer, in the order in which they are compared."""
    span: int = field(init=False)
    """Bytes from the stack pointer that are read at once."""
    near: int = field(init=False)
    """How many of the words, the first ones, are within the span, but for those that tell a shift."""
    files: int = field(init=False)
    """How many of the words, the first ones, tell the shift of a further file."""

    def __post_init__(self) -> None:
        sp, readable = self.snapshot.registers[1], min(self.snapshot.readable, _COPIED)
        offsets = sorted(address - sp for address in self.words)
        telling: dict[int, int] = {}
        for offset in offsets:
            group = self.group(offset)
            if group >= FILE_SHIFTS:
                telling.setdefault(group, offset)
        first = list(telling.values())
        near = [offset for offset in offsets if offset not in first and offset + 8 <= readable]
        far = [offset for offset in offsets if offset not in first and offset + 8 > readable]
        near += near[-1:] * (-len(near) % WORDS_AT_ONCE)
        object.__setattr__(self, "offsets", [*first, *near, *far])
        object.__setattr__(self, "span", max((o + 8 for o in offsets if o + 8 <= readable), default=0))
        object.__setattr__(self, "files", len(first))
        object.__setattr__(self, "near", len(first) + len(near))

    @property
    def key(self) -> Key:
        """The key by which the BPF program looks it up."""
        return self.snapshot.key

    def group(self, offset: int) -> int:
        """The group of the word at ``offset``."""
        return NO_SHIFT if self.groups is None else self.groups[self.snapshot.registers[1] + offset]

    def word(self, offset: int) -> int:
        """The word at ``offset``."""
        return self.words[self.snapshot.registers[1] + offset]

    def is_of(self, other: Snapshot) -> bool:
        """Whether the BPF program would take ``other`` for this stack; both have the same key."""
        own = self.snapshot.registers
        shifts = [0, other.registers[1] - own[1], other.registers[0] - own[0], *[0] * (SHIFTS - FILE_SHIFTS)]
        if self.groups is None and (other.pid != self.snapshot.pid or any(shifts)):
            return False
        for number in self.compared - {0, 1}:
            shift = shifts[STACK_SHIFT] if number in self.moving else 0
            if other.registers[number] != (own[number] + shift) & _ALL_BITS:
                return False
        for index, offset in enumerate(self.offsets):
            word, group = other.word(offset), self.group(offset)
            if word is None:
                return False
            if index < self.files:
                shifts[group] = word - self.word(offset)
                if shifts[group] % PAGE_BYTES:
                    return False
            elif word != (self.word(offset) + shifts[group]) & _ALL_BITS:
                return False
        return True


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
        offsets = stack.offsets
        if not offsets or len(offsets) > MOST_WORDS or min(offsets) < 0 or max(offsets) + 8 > FARTHEST:
            return False
        if len(variants) >= VARIANTS or self.is_full:
            return False
        registers = stack.snapshot.registers
        value = VALUE.pack(
            stack.snapshot.number,
            *registers,
            *(_ALL_BITS if number in stack.compared else 0 for number in range(REGISTERS)),
            *(_ALL_BITS if number in stack.moving else 0 for number in range(REGISTERS)),
            *(len(offsets), stack.near, stack.span, stack.snapshot.pid if stack.groups is None else 0, stack.files),
            *_padded([stack.word(offset) for offset in offsets]),
            *_padded(offsets),
            *_padded([stack.group(offset) for offset in offsets]),
        )
        self._table[_key(stack.key, len(variants))] = value
        self._variants[stack.key] = [*variants, stack]
        self.count += 1
        return True

    def variants(self, key: Key) -> Sequence[KnownStack]:
        """The known stacks with this key."""
        return self._variants.get(key, ())

    def all(self) -> Iterator[KnownStack]:
        """All known stacks."""
        return (stack for variants in self._variants.values() for stack in variants)

    def remove(self, key: Key) -> None:
        """Removes all known stacks with this key."""
        for variant in reversed(range(len(self._variants.pop(key, ())))):
            self.count -= 1
            with suppress(KeyError):
                del self._table[_key(key, variant)]


def _key(key: Key, variant: int) -> bytes:
    return KEY.pack(*key, variant)


def _padded(numbers: Sequence[int]) -> list[int]:
    return [*numbers, *[0] * (_ROOM - len(numbers))]
