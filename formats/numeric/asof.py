"""As-of search: which entry of a key was the last at a time, for whole columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.numeric.grouping import places_among, ranked, stable_order
from bpfrec.formats.numeric.run_lengths import run_starts, spread

Integers = NDArray[np.int64]
Numbers = NDArray[np.signedinteger]
"""Whole numbers of any width."""
Booleans = NDArray[np.bool_]

FOREVER = 1 << 62
"""A time after all others, in ns; its negative is before them."""

_WORD = 62
"""Bits that a key and a time may take together."""
_FEW = 4096
"""Up to so many questions are answered in the order in which they are asked."""


class AsOf:
    """Entries ``(key, time)``, sorted: entry ``i`` holds for ``keys[i]`` from ``times[i]`` until that key's next entry.

    Of entries with the same key and time, the one given last holds. ``order`` sorts the entries as they were given;
    ``keys`` and ``times`` are sorted by it. A *position* is an index into these three.
    """

    def __init__(self, keys: Numbers, times: Integers) -> None:
        in_order = bool((times[1:] >= times[:-1]).all())
        rank, self._distinct_keys = ranked(keys)
        self.order: Integers = stable_order(rank, len(self._distinct_keys)) if in_order else np.lexsort((times, rank))
        self.keys, self.times, rank = keys[self.order], times[self.order], rank[self.order]
        self._bounds = np.append(run_starts(rank), len(rank))
        self._are_single = len(self._distinct_keys) == len(rank)
        self._in_order = times if in_order else np.sort(times)
        self._moments = _Moments(self._in_order, len(self._distinct_keys))
        self._composite = rank << self._moments.bits | self._moments.numbers(self.times)

    def lookup(self, keys: Numbers, times: Integers) -> Integers:
        """Index of the entry, as given, that holds for each key at each time; -1 if there is none."""
        if not len(self.order) or not len(keys):
            return np.full(len(keys), -1, np.int64)
        first, last = np.searchsorted(self._in_order, (times.min(), times.max()), side="right")
        if first != last:
            return self._entries(keys, times)
        # No entry begins in between, so equal keys in a row have the same answer.
        heads = run_starts(keys)
        return spread(self._entries(keys[heads], times[heads]), heads, len(keys))

    def last(self, keys: Numbers, times: Integers) -> Integers:
        """Position of each key's last entry at or before the time; -1 if there is none."""
        if not len(self.order):
            return np.full(len(keys), -1)
        return self._before(*self._ends(keys, times))

    def next(self, keys: Numbers, times: Integers) -> Integers:
        """Position of each key's first entry after the time; -1 if there is none."""
        return self.around(keys, times)[1]

    def around(self, keys: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """What :meth:`last` and :meth:`next` give, in one search."""
        if not len(self.order):
            return np.full(len(keys), -1), np.full(len(keys), -1)
        rank, end = self._ends(keys, times)
        after = np.where((rank >= 0) & (end < self._bounds[rank + 1]), end, -1)
        return self._before(rank, end), after

    def any_between(self, keys: Numbers, after: Integers, until: Integers) -> Booleans:
        """Whether each key has an entry later than ``after`` and not later than ``until``."""
        if not len(self.order):
            return np.zeros(len(keys), bool)
        at = self.last(keys, until)
        return (at >= 0) & (self.times[at] > after)

    def _entries(self, keys: Numbers, times: Integers) -> Integers:
        at = self.last(keys, times)
        return np.where(at >= 0, self.order[at], -1)

    def _before(self, rank: Integers, end: Integers) -> Integers:
        before: Integers = np.where((rank >= 0) & (end > self._bounds[rank]), end - 1, -1)
        return before

    def _ends(self, keys: Numbers, times: Integers) -> tuple[Integers, Integers]:
        """Which of the distinct keys each is, -1 for none, and the position behind its entries up to the time."""
        rank = places_among(keys, self._distinct_keys)
        if self._are_single:
            return rank, rank + (times >= self.times[rank])
        wanted = rank << self._moments.bits | self._moments.numbers(times)
        if len(keys) <= _FEW:
            return rank, np.searchsorted(self._composite, wanted, side="right")
        # What is asked in order is found several times as fast: the processor still has what stands beside it.
        order = stable_order(rank, len(self._distinct_keys))
        end = np.empty(len(keys), np.int64)
        end[order] = np.searchsorted(self._composite, wanted[order], side="right")
        return rank, end


class _Moments:
    """Numbers of few bits for times, in the same order, so that a key and a time fit into one word.

    ``times``: those of all entries, in order; ``keys``: how many keys there are.
    """

    def __init__(self, times: Integers, keys: int) -> None:
        first, last = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
        self.bits = (last - first + 1).bit_length()
        self._first, self._last = np.int64(first), np.int64(last)
        self._distinct: Integers | None = None
        if self.bits + keys.bit_length() > _WORD:
            # Ranks take less room than times, but each has to be looked for.
            self._distinct, self.bits = times[run_starts(times)], 32

    def numbers(self, times: Integers) -> Integers:
        """0 for a time before all entries; the same for two times only where no entry begins in between."""
        if self._distinct is not None:
            return np.searchsorted(self._distinct, times, side="right")
        return np.where(times < self._first, 0, np.minimum(times, self._last) - self._first + 1)
