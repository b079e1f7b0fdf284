"""Rows of an answer that has too many of them for memory: they are in a file, and are read once."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bpfrec.analyze.engine.result import Row

ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class KeptRows:
    """Rows in the file at ``path``, which goes away when they have been read."""

    path: Path

    def __iter__(self) -> Iterator[Row]:
        """The rows, some thousand of them in memory."""
        try:
            with self.path.open("rb") as file:
                while self._has_more(file):
                    # A process of our own wrote it, into a folder that only this user can enter.
                    yield from pickle.load(file)  # noqa: S301
        finally:
            self.path.unlink(missing_ok=True)

    @staticmethod
    def _has_more(file: object) -> bool:
        return bool(file.peek(1))  # type: ignore[attr-defined]


def kept(rows: Iterable[Row], folder: Callable[[], Path] | None) -> tuple[int, list[Row] | KeptRows]:
    """The number of ``rows``, and the rows: a list of few, or of all where ``folder`` is None; else a file in it.

    Raises:
        OSError: the file cannot be written.
    """
    waiting = iter(rows)
    some = list(islice(waiting, ROWS_AT_ONCE if folder else None))
    if folder is None or len(some) < ROWS_AT_ONCE:
        return len(some), some
    count = 0
    with tempfile.NamedTemporaryFile(dir=folder(), suffix=".rows", delete=False) as file:
        while some:
            pickle.dump(some, file, pickle.HIGHEST_PROTOCOL)
            count += len(some)
            some = list(islice(waiting, ROWS_AT_ONCE))
    return count, KeptRows(Path(file.name))
