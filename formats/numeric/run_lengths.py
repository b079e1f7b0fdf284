"""Runs of equal values, as columns of calls have them: to find them costs less than to sort."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def run_starts(values: NDArray[Any]) -> Integers:
    """Where each run of equal values, or of equal rows of a matrix, begins."""
    changed = values[1:] != values[:-1]
    if changed.ndim > 1:
        changed = changed.any(axis=1)
    return np.concatenate(([0], np.flatnonzero(changed) + 1))[: len(values)]


def spread(of_runs: Integers, starts: Integers, rows: int) -> Integers:
    """For each of ``rows`` the value that its run, one of those that begin at ``starts``, has in ``of_runs``."""
    return np.repeat(of_runs, np.diff(starts, append=rows))
