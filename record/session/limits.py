"""The limits of a recording: how long it may last, and how much of the disk it may take."""

from __future__ import annotations

import time
from collections.abc import Callable

# What finishing needs besides: the tables are copied into one file before they are removed.
_FINISHING = 1.25


class Limits:
    """Watches the time since it was made, and what ``used()`` gives: the bytes that the working folder takes.

    ``seconds``, ``size`` (bytes): None: no limit.
    """

    def __init__(self, seconds: float | None, size: int | None, used: Callable[[], int]) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._size, self._used = size, used
        self._before = 0

    def reached(self, *, is_marked: bool) -> str | None:
        """Which limit is reached, as the end of a sentence; None: none.

        ``is_marked``: a segment was closed just now; only then is the disk looked at.
        """
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "--max-duration was reached"
        if self._size is None or not is_marked:
            return None
        used = self._used()
        growth, self._before = max(0, used - self._before), used
        # As much may come until the next look.
        return "--max-size was reached" if (used + growth) * _FINISHING >= self._size else None
