"""As-of search: which entry of a key was the last at a time, for whole columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.numeric.run_lengths import run_starts, spread

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

FOREVER = 1 << 62
"""A time after all others, in ns; its negative is before them."""


class AsOf:
    """Entries ``(key, time)``, sorted: entry ``i`` holds for ``keys[i]`` from ``times[i]`` until that key's next entry.

    Of entries with the same key and time, the one given last holds. ``order`` sorts the entries as they were given;
    ``keys`` and ``times`` are sorted by it. A *position* is an index into these three.
    """

    def __init__(self, keys: NDArray[np.signedinteger], times: Integers) -> None:
        in_order = bool((times[1:] >= times[:-1]).all())
        self.order: Integers = np.argsort(keys, kind="stable") if in_order else np.lexsort((times, keys))
        self.keys, self.times = keys[self.order], times[self.order]
        starts = run_starts(self.keys)
        self._distinct_keys = self.keys[starts]
        moments = times if in_order else np.sort(times)
        self._distinct_times = moments[run_starts(moments)]
        # Ranks take less room than times: key and time then fit into one word.
        rank = spread(np.arange(len(starts)), starts, len(self.keys))
        self._composite = rank << 32 | np.searchsorted(self._distinct_times, self.times, side="right")

    def lookup(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        """Index of the entry, as given, that holds for each key at each time; -1 if there is none."""
        if not len(self.order) or not len(keys):
            return np.full(len(keys), -1, np.int64)
        first, last = np.searchsorted(self._distinct_times, (times.min(), times.max()), side="right")
        if first != last:
            return self._entries(keys, times)
        # No entry begins in between, so equal keys in a row have the same answer.
        heads = run_starts(keys)
        return spread(self._entries(keys[heads], times[heads]), heads, len(keys))

    def last(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        """Position of each key's last entry at or before the time; -1 if there is none."""
        if not len(self.order):
            return np.full(len(keys), -1)
        at = self._ends(keys, times) - 1
        return np.where((at >= 0) & (self.keys[at] == keys), at, -1)

    def next(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        """Position of each key's first entry after the time; -1 if there is none."""
        if not len(self.order):
            return np.full(len(keys), -1)
        at = self._ends(keys, times)
        at[at == len(self.order)] = -1
        return np.where((at >= 0) & (self.keys[at] == keys), at, -1)

    def around(self, keys: NDArray[np.signedinteger], times: Integers) -> tuple[Integers, Integers]:
        """What :meth:`last` and :meth:`next` give, in one search."""
        if not len(self.order):
            return np.full(len(keys), -1), np.full(len(keys), -1)
        after = self._ends(keys, times)
        before = after - 1
        after[after == len(self.order)] = -1
        before[self.keys[before] != keys] = -1
        after[self.keys[after] != keys] = -1
        return before, after

    def any_between(self, keys: NDArray[np.signedinteger], after: Integers, until: Integers) -> Booleans:
        """Whether each key has an entry later than ``after`` and not later than ``until``."""
        if not len(self.order):
            return np.zeros(len(keys), bool)
        at = self.last(keys, until)
        return (at >= 0) & (self.times[at] > after)

    def _entries(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        at = self.last(keys, times)
        return np.where(at >= 0, self.order[at], -1)

    def _ends(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        """Position behind each key's entries up to the time; for an unknown key, between those of its neighbours."""
        rank = np.searchsorted(self._distinct_keys, keys).astype(np.int64)
        when = np.searchsorted(self._distinct_times, times, side="right")
        return np.searchsorted(self._composite, rank << 32 | when, side="right")
