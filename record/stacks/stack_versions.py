"""Stack versions: a stack through JIT code whose names changed during the recording becomes one stack for each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols.perf_map import JitSymbol
from bpfrec.record.stacks.frames import JitEntries, Stack, addresses_of
from bpfrec.record.stacks.perf_map_files import UNKNOWN, at_time

Integers = NDArray[np.int64]

_MOST_VERSIONS = 1 << 10


class StackVersions:
    """The versions of ``stacks``, by the perf map entries ``jit``. Both may grow before each :meth:`divide`."""

    def __init__(self, stacks: list[Stack], jit: JitEntries) -> None:
        self._stacks, self._jit = stacks, jit
        self._versions: dict[int, tuple[Integers, Integers]] = {}
        self._unseen: set[int] = set()

    def divide(self, first: int) -> None:
        """Appends a version for each time in which a frame had another name, for the stacks from index ``first`` on.

        A stack with more than 1,024 versions gets none, and its frames lose their names in ``jit``.
        """
        stacks, jit = self._stacks[first:], self._jit
        changing = {address for address, entries in jit.items() if len(entries) > 1}
        for number, stack in enumerate(stacks if changing else (), first):
            addresses = dict.fromkeys((stack.pid, address) for address in addresses_of(stack))
            changed = [address for address in addresses if address in changing]
            if changed:
                self._divide(number, stack, changed)

    def at(self, stacks: Integers, times: Integers) -> Integers:
        """The indexes of the versions of ``stacks`` for calls entered at ``times`` (ns on CLOCK_MONOTONIC)."""
        if not self._versions:
            return stacks
        found = stacks.copy()
        for number in np.unique(stacks).tolist():
            if number not in self._versions:
                continue
            since, numbers = self._versions[number]
            rows = np.flatnonzero(stacks == number)
            found[rows] = numbers[np.searchsorted(since, times[rows], side="right") - 1]
            for one in self._unseen.intersection(found[rows].tolist()):
                first = int(times[rows[found[rows] == one]].min())
                self._stacks[one] = replace(self._stacks[one], ts=first)
                self._unseen.discard(one)
        return found

    def _divide(self, number: int, stack: Stack, addresses: list[tuple[int, int]]) -> None:
        entries = [self._jit[address] for address in addresses]
        edges = sorted({0, *(edge for some in entries for entry in some for edge in (entry.since, entry.until))})
        since: list[int] = []
        names: list[tuple[JitSymbol | None, ...]] = []
        for edge in edges:
            now = tuple(at_time(some, edge) for some in entries)
            if not names or names[-1] != now:
                since.append(edge)
                names.append(now)
        if len(since) < 2:
            return
        if len(since) > _MOST_VERSIONS:
            for address in addresses:
                self._jit[address] = [UNKNOWN]
            return
        numbers = {names[int(np.searchsorted(since, stack.ts, side="right")) - 1]: number}
        for begin, now in zip(since, names, strict=True):
            if now not in numbers:
                numbers[now] = len(self._stacks)
                self._unseen.add(len(self._stacks))
                self._stacks.append(replace(stack, ts=begin))
        self._versions[number] = (np.array(since, np.int64), np.array([numbers[now] for now in names], np.int64))
