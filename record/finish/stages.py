"""How far the finish of a recording is: spools of different sizes are read one after the other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Stages:
    """One share of work done, made of the shares of several stages, which follow one another.

    ``weights``: how much work each stage is, in any unit. ``report`` gets the share of all, from 0 to 1, never less
    than before.
    """

    def __init__(self, weights: Mapping[str, int], report: Callable[[float], None]) -> None:
        self._weights, self._report = dict(weights), report
        self._total = max(1, sum(weights.values()))
        self._before = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Runs the stage ``name``, which tells its own share done to what it is given; logs how long it took."""
        begin = time.monotonic()
        weight = self._weights.get(name, 0)
        yield lambda share: self._report((self._before + weight * min(1.0, share)) / self._total)
        self._before += weight
        self._report(self._before / self._total)
        _log.info("%s: %.2f s", name, time.monotonic() - begin)
