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
        moments = times
        in_order = bool((times[1:] >= times[:-1]).all())
        order = np.argsort(groups, kind="stable") if in_order else np.lexsort((times, groups))
        if not in_order:
            moments = np.sort(times)
        groups, times = groups[order], times[order]
        distinct, moments = groups[_heads(groups)], moments[_heads(moments)]
        # Ranks instead of times: both halves of the key then fit one word.
        key = (np.cumsum(_heads(groups)) - 1) << 32 | np.searchsorted(moments, times, side="right")
        return Timeline(order, groups, times, distinct, moments, key)

    def last(self, groups: Integers, times: Integers) -> Integers:
        """Position in :attr:`order` of each group's last entry at or before the time; -1 where there is none."""
        if not len(self.groups):
            return np.full(len(groups), -1)
        at = self._positions(groups, times) - 1
        return np.where((at >= 0) & (self.groups[at] == groups), at, -1)

    def next(self, groups: Integers, times: Integers) -> Integers:
        """Position in :attr:`order` of each group's first entry after the time; -1 where there is none."""
        if not len(self.groups):
            return np.full(len(groups), -1)
        at = self._positions(groups, times)
        at[at == len(self.groups)] = -1
        return np.where((at >= 0) & (self.groups[at] == groups), at, -1)

    def any_between(self, groups: Integers, after: Integers, until: Integers) -> Booleans:
        """Whether each group has an entry after ``after`` and at ``until`` at the latest."""
        if not len(self.groups):
            return np.zeros(len(groups), bool)
        at = self.last(groups, until)
        return (at >= 0) & (self.times[at] > after)

    def _positions(self, groups: Integers, times: Integers) -> Integers:
        """Where each group's entries up to the time end; between others' where it has none at all."""
        rank = np.searchsorted(self._distinct, groups)
        return np.searchsorted(
            self._composite, rank << 32 | np.searchsorted(self._moments, times, side="right"), side="right"
        )


def _heads(values: Integers) -> Booleans:
    """Which of equal values in a row are the first."""
    heads = np.ones(len(values), bool)
    heads[1:] = values[1:] != values[:-1]
    return heads
