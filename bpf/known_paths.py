"""The paths by which the BPF program knows a stack that it has sent before: ``programs/stacks.c``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

MAX_PATHS = 8192
"""Room for paths, 2.7 KB each as they come."""

MOST_WORDS = 256
"""Words of the stack by which a path may be told."""

FARTHEST = 65536
"""Bytes from the stack pointer that such a word may end at."""

VARIANTS = 16
"""Paths of one process that may have the same instruction and stack pointer."""

MOST_STEPS = 192
"""Of the program's loop: one for each variant, for four words that are read at once, and for each other word."""

_COPIED = 16384
_AT_ONCE = 4
_ALL_BITS = (1 << 64) - 1

Key = tuple[int, int, int]
"""pid, instruction pointer, stack pointer."""


@dataclass(frozen=True)
class Path:
    """``registers``: those of its snapshot; ``used``: which of them matter; ``words``: of the stack, by address.

    ``readable``: how many bytes of the stack can be read at once.
    """

    snapshot: int
    pid: int
    registers: Sequence[int]
    used: frozenset[int]
    words: Mapping[int, int]
    readable: int

    @property
    def key(self) -> Key:
        """Under which it is found."""
        return self.pid, self.registers[0], self.registers[1]


class KnownPaths:
    """The program's table of them, a bcc table, which is full at :data:`MAX_PATHS`."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._variants: dict[Key, list[Path]] = {}
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether there is room for no more."""
        return self.count >= MAX_PATHS

    def add(self, path: Path) -> bool:
        """Makes calls by ``path`` be told by it; whether there was room."""
        variants = self._variants.get(path.key, [])
        sp = path.registers[1]
        offsets = sorted(address - sp for address in path.words)
        if not offsets or len(offsets) > MOST_WORDS or offsets[0] < 0 or offsets[-1] + 8 > FARTHEST:
            return False
        span = max((o + 8 for o in offsets if o + 8 <= min(path.readable, _COPIED)), default=0)
        near = sum(o + 8 <= span for o in offsets)
        steps = VARIANTS + near // _AT_ONCE + near % _AT_ONCE + len(offsets) - near
        if len(variants) >= VARIANTS or self.is_full or steps >= MOST_STEPS:
            return False
        leaf = self._table.Leaf()
        leaf.snapshot = path.snapshot
        for number, value in enumerate(path.registers):
            leaf.registers[number] = value
            leaf.mask[number] = _ALL_BITS if number in path.used else 0
        leaf.words, leaf.near, leaf.span = len(offsets), near, span
        for number, offset in enumerate(offsets):
            leaf.offset[number], leaf.word[number] = offset, path.words[sp + offset]
        self._table[self._key(path.key, len(variants))] = leaf
        self._variants[path.key] = [*variants, path]
        self.count += 1
        return True

    def variants(self, key: Key) -> Sequence[Path]:
        """The paths under ``key``."""
        return self._variants.get(key, ())

    def remove(self, key: Key) -> None:
        """Forgets all paths under ``key``."""
        for variant in reversed(range(len(self._variants.pop(key, ())))):
            self.count -= 1
            with suppress(KeyError):
                del self._table[self._key(key, variant)]

    def _key(self, key: Key, variant: int) -> Any:
        pid, ip, sp = key
        return self._table.Key(ip, sp, pid, variant)
