"""What came last in a group before a time, for whole columns at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

FOREVER = 1 << 62
"""A time after all others; its negative is before them."""


@dataclass(frozen=True)
class Timeline:
    """Entries ``(group, time)`` in order; of those with the same group and time the last given is the latest."""

    order: Integers
    groups: Integers
    times: Integers
    _distinct: Integers
    _moments: Integers
    _composite: Integers

    @staticmethod
    def of(groups: Integers, times: Integers) -> Timeline:
        """The timeline of these entries; :attr:`order` is what sorts them."""
        order = np.lexsort((times, groups))
        groups, times = groups[order], times[order]
        distinct, moments = np.unique(groups), np.unique(times)
        # Ranks instead of times: both halves of the key then fit one word.
        key = np.searchsorted(distinct, groups) << 32 | np.searchsorted(moments, times, side="right")
        return Timeline(order, groups, times, distinct, moments, key)

    def last(self, groups: Integers, times: Integers) -> Integers:
        """Position in :attr:`order` of each group's last entry at or before the time; -1 where there is none."""
        at, known = self._positions(groups, times)
        at -= 1
        return np.where(known & (at >= 0) & (self._at(self.groups, at) == groups), at, -1)

    def next(self, groups: Integers, times: Integers) -> Integers:
        """Position in :attr:`order` of each group's first entry after the time; -1 where there is none."""
        at, known = self._positions(groups, times)
        inside = at < len(self.groups)
        return np.where(known & inside & (self._at(self.groups, at) == groups), at, -1)

    def any_between(self, groups: Integers, after: Integers, until: Integers) -> Booleans:
        """Whether each group has an entry after ``after`` and at ``until`` at the latest."""
        at = self.last(groups, until)
        return (at >= 0) & (self._at(self.times, at) > after)

    def _positions(self, groups: Integers, times: Integers) -> tuple[Integers, Booleans]:
        if not len(self.groups):
            return np.zeros(len(groups), np.int64), np.zeros(len(groups), bool)
        rank = np.searchsorted(self._distinct, groups)
        known = self._at(self._distinct, rank) == groups
        key = rank << 32 | np.searchsorted(self._moments, times, side="right")
        return np.searchsorted(self._composite, key, side="right"), known

    @staticmethod
    def _at(values: Integers, positions: Integers) -> Integers:
        return values[np.clip(positions, 0, len(values) - 1)] if len(values) else np.full(len(positions), -FOREVER)
