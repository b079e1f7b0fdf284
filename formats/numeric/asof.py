"""As-of lookup: what held for a key at a time, for whole columns at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.numeric.run_lengths import run_starts, spread

Integers = NDArray[np.int64]


class AsOf:
    """Entries ``(key, time)``: entry ``i`` holds for ``keys[i]`` from ``times[i]`` on until that key's next entry.

    Of entries with the same key and time the last given wins.
    """

    def __init__(self, keys: Integers, times: Integers) -> None:
        self._keys = np.unique(keys)
        self._times = np.unique(times)
        order = np.lexsort((np.arange(len(keys)), times, keys))
        self._order = order
        self._composite = self._combine(np.searchsorted(self._keys, keys[order]), times[order])

    def lookup(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        """Index of the entry that holds for each key at each time; -1 where none does."""
        if not len(self._composite) or not len(keys):
            return np.full(len(keys), -1, np.int64)
        first, last = np.searchsorted(self._times, (times.min(), times.max()), side="right")
        if first != last:
            return self._lookup(keys, times)
        # Nothing changed meanwhile: rows in a row that have the same key have the same entry.
        heads = run_starts(keys)
        return spread(self._lookup(keys[heads], times[heads]), heads, len(keys))

    def _lookup(self, keys: NDArray[np.signedinteger], times: Integers) -> Integers:
        positions = np.searchsorted(self._keys, keys)
        known = self._keys[np.minimum(positions, len(self._keys) - 1)] == keys
        at = np.searchsorted(self._composite, self._combine(positions, times), side="right") - 1
        entries = self._order[np.maximum(at, 0)]
        same_key = (at >= 0) & known & (self._composite[np.maximum(at, 0)] >> 32 == positions)
        return np.where(same_key, entries, -1)

    def _combine(self, key_positions: Integers, times: Integers) -> Integers:
        # Ranks instead of times: both halves of the sort key then fit one word.
        return key_positions.astype(np.int64) << 32 | np.searchsorted(self._times, times, side="right")
