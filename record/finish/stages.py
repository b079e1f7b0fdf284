"""How far the finish of a recording is: spools of different sizes are read one after the other."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

_log = logging.getLogger(__name__)

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS))


class Stages:
    """One share of work done, made of the shares of several stages, which follow one another.

    ``weights``: how much work each stage is, in any unit. ``report`` gets the share of all, from 0 to 1, never less
    than before. ``failed``: the optional stages that failed, which must not cost a recording its calls.
    """

    def __init__(self, weights: Mapping[str, int], report: Callable[[float], None]) -> None:
        self._weights, self._report = dict(weights), report
        self._total = max(1, sum(weights.values()))
        self._before = 0
        self.failed: list[str] = []

    @contextmanager
    def optional(self, name: str) -> Iterator[Callable[[float], None]]:
        """A :meth:`stage` without which there is still a trace: if it fails, that is noted and the next one begins.

        Where the disk takes no more, the OSError is passed on.
        """
        try:
            with self.stage(name) as report:
                yield report
        except OSError as error:
            if error.errno in _FULL:
                raise
            self._note_failure(name)
        except Exception:
            self._note_failure(name)

    @contextmanager
    def ahead(self, name: str) -> Iterator[None]:
        """For work of the optional stage ``name`` that can be done before it; what fails here fails there again."""
        begin = time.monotonic()
        try:
            yield
        except Exception:
            _log.info("%s ahead of time failed", name, exc_info=True)
        _log.info("%s ahead of time: %.2f s", name, time.monotonic() - begin)

    def _note_failure(self, name: str) -> None:
        _log.info("%s failed", name, exc_info=True)
        self.failed.append(name)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Runs the stage ``name``, which tells its own share done to what it is given; logs how long it took."""
        begin = time.monotonic()
        weight = self._weights.get(name, 0)
        yield lambda share: self._report((self._before + weight * min(1.0, share)) / self._total)
        self._before += weight
        self._report(self._before / self._total)
        _log.info("%s: %.2f s", name, time.monotonic() - begin)
