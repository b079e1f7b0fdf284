"""Long columns worked on in parts: by several processors, and in pieces that their caches hold."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

WORKERS = min(os.cpu_count() or 1, 4)
ROWS = 1 << 17
"""The rows of a part."""


def in_parts(function: Callable[..., tuple[NDArray[Any], ...]], *columns: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """What ``function`` says of columns, if it says of each row the same whichever rows stand beside it."""
    rows = len(columns[0])
    if rows <= 2 * ROWS:
        return function(*columns)
    parts = (tuple(column[begin : begin + ROWS] for column in columns) for begin in range(0, rows, ROWS))
    with ThreadPoolExecutor(WORKERS) as workers:
        found = list(workers.map(lambda part: function(*part), parts))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))
