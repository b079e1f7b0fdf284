"""The name of what each call is about, as a number that is found by the number of the call.

A code is 0 where a call names nothing, the negative of a reason where the name is not known, and else
``2 * name + 1``, and one more where the call's path has to be put behind the name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.formats.numeric.asof import Booleans, Integers

Codes32 = NDArray[np.int32]

_FEWEST = 1 << 20
_SPARSEST = 4
"""At most so many places for each call: numbers of calls are dense, but a hostile trace may have any."""
_BYTES = np.dtype(np.int32).itemsize


def code_of(name: Integers, is_path: Booleans, reason: Integers) -> Codes32:
    """The codes of names; where ``name`` is negative, of reasons, of which 0 is none."""
    codes: Codes32 = np.where(name >= 0, (name << 1) + 1 + is_path, -reason).astype(np.int32)
    return codes


class Codes:
    """Codes by the numbers of calls. They stand in a temporary file, so the system need not keep them in memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self._codes: Codes32 = np.zeros(0, np.int32)
        self._end = 0
        self._far: list[tuple[Integers, Codes32]] = []
        self._is_sorted = False

    def add(self, calls: Integers, codes: Codes32, seen: int) -> None:
        """Adds codes of calls that have none yet; ``seen``: about how many calls the trace has up to here."""
        near = (calls >= 0) & (calls < max(_FEWEST, _SPARSEST * seen))
        if not near.all():
            self._far.append((calls[~near], codes[~near]))
            self._is_sorted = False
            calls, codes = calls[near], codes[near]
        if len(calls):
            self._end = max(self._end, int(calls.max()) + 1)
            self._make_room()
            self._codes[calls] = codes

    def find(self, calls: Integers) -> Codes32:
        """The code of each call, 0 where it has none."""
        if not len(calls):
            return np.zeros(0, np.int32)
        if calls.min() >= 0 and calls.max() < self._end:
            found: Codes32 = self._codes[calls]
        else:
            near = (calls >= 0) & (calls < self._end)
            found = np.zeros(len(calls), np.int32)
            found[near] = self._codes[calls[near]]
        if self._far:
            self._find_far(calls, found)
        return found

    def arrow(self, calls: pa.Array | pa.ChunkedArray) -> pa.Array:
        """The same for Arrow's columns, as a SQL function takes and gives them."""
        column = calls.combine_chunks() if isinstance(calls, pa.ChunkedArray) else calls
        numbers = column.fill_null(-1) if column.null_count else column
        return pa.array(self.find(numbers.to_numpy(zero_copy_only=False)))

    def blocks(self, rows: int) -> Iterator[tuple[Integers, Codes32]]:
        """All calls with a code, and their codes, ``rows`` at most at a time."""
        for begin in range(0, self._end, rows):
            codes = self._codes[begin : min(begin + rows, self._end)]
            calls = np.flatnonzero(codes)
            if len(calls):
                yield calls + begin, codes[calls]
        yield from self._far

    def _make_room(self) -> None:
        if self._end > len(self._codes):
            room = max(self._end, 2 * len(self._codes), _FEWEST)
            self._file.truncate(room * _BYTES)
            # An array of the class memmap is slower.
            self._codes = np.asarray(np.memmap(self._file, np.int32, "r+", shape=(room,)))

    def _find_far(self, calls: Integers, found: Codes32) -> None:
        if not self._is_sorted:
            numbers = np.concatenate([some for some, _ in self._far])
            order = np.argsort(numbers, kind="stable")
            self._far = [(numbers[order], np.concatenate([some for _, some in self._far])[order])]
            self._is_sorted = True
        numbers, codes = self._far[0]
        at = np.minimum(np.searchsorted(numbers, calls), len(numbers) - 1)
        is_far = (found == 0) & (numbers[at] == calls)
        found[is_far] = codes[at[is_far]]
