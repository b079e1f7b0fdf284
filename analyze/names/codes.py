"""What each call is about, as a number that is found by the number of the call.

The code of one thing is 0 where there is none, the negative of a reason where its name is not known, and else
``2 * name + 1``, and one more where the call's path has to be put behind the name. A call that names two things has the
code of their pair, which is larger than those.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.analyze.names.reasons import REASONS
from bpfrec.formats.numeric.asof import Booleans, Integers

_log = logging.getLogger(__name__)

Codes32 = NDArray[np.int32]

_ROWS = 1 << 20
_FEWEST = 1 << 20
_SPARSEST = 4
"""At most so many places for each call: numbers of calls are dense, but a hostile trace may have any."""
_BYTES = np.dtype(np.int32).itemsize


def code_of(name: Integers, is_path: Booleans, reason: Integers) -> Codes32:
    """The codes of names; where ``name`` is negative, of reasons, of which 0 is none."""
    codes: Codes32 = np.where(name >= 0, (name << 1) + 1 + is_path, -reason).astype(np.int32)
    return codes


@dataclass(frozen=True)
class Pairs:
    """What the codes from :attr:`begin` on stand for: pairs of codes of one thing each."""

    begin: int
    first: Codes32
    second: Codes32


def paired(first: Codes, second: Codes, begin: int) -> tuple[Codes, Pairs]:
    """Codes for both things that calls name; those of pairs are numbered from ``begin``. They take the place of
    ``first``.
    """
    keys: Integers = np.zeros(0, np.int64)
    for calls, codes in second.blocks(_ROWS):
        keys = np.union1d(keys, _key(first.find(calls), codes))
    for calls, codes in second.blocks(_ROWS):
        numbers = begin + np.searchsorted(keys, _key(first.find(calls), codes))
        first.add(calls, numbers.astype(np.int32), 0)
    return first, Pairs(begin, (keys >> 32).astype(np.int32), keys.astype(np.int32))


def _key(first: Codes32, second: Codes32) -> Integers:
    return first.astype(np.int64) << 32 | (second.astype(np.int64) & 0xFFFFFFFF)


def names_table(codes: Codes, pairs: Pairs, text: Sequence[str], canonical: Sequence[bool]) -> pa.Table:
    """The rows of ``computed.names`` for ``codes``: of the names that they need, of all reasons and of all pairs."""
    is_used = np.zeros(pairs.begin, bool)
    for _, some in codes.blocks(_ROWS):
        is_used[some[(some > 0) & (some < pairs.begin)]] = True
    single = np.concatenate((np.flatnonzero(is_used), -np.arange(1, len(REASONS) + 1))).astype(np.int32)
    none = np.zeros(len(single), np.int32)
    first, second = np.concatenate((single, pairs.first)), np.concatenate((none, pairs.second))
    columns: dict[str, pa.Array] = {
        "code": np.concatenate((single, np.arange(len(pairs.first), dtype=np.int32) + pairs.begin)).astype(np.int32)
    }
    for place, of_one in (("", first), ("2", second)):
        number = pa.array(of_one - 1 >> 1, mask=of_one <= 0)
        columns[f"name{place}"] = pa.array(text, pa.large_string()).take(number)
        columns[f"canonical{place}"] = pa.array(canonical, pa.bool_()).take(number)
        columns[f"is_path{place}"] = pa.array((of_one > 0) & (of_one & 1 == 0))
    reason = np.where(first < 0, -first, np.maximum(-second, 0))
    return pa.table(columns | {"reason": pa.array(reason.astype(np.uint8), mask=reason == 0)})


class Codes:
    """Codes by the numbers of calls. They stand in a temporary file, so the system need not keep them in memory; where
    there is no room for one, in memory.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._spills = hasattr(os, "posix_fallocate")
        self._codes: Codes32 = np.zeros(0, np.int32)
        self._end = 0
        self._far: list[tuple[Integers, Codes32]] = []
        self._is_sorted = False

    def add(self, calls: Integers, codes: Codes32, seen: int) -> None:
        """Adds codes, or replaces them; ``seen``: about how many calls the trace has up to here."""
        near = (calls >= 0) & (calls < max(_FEWEST, _SPARSEST * seen, self._end))
        if not near.all():
            self._far.append((calls[~near], codes[~near]))
            self._is_sorted = False
            calls, codes = calls[near], codes[near]
        if len(calls):
            self._end = max(self._end, int(calls.max()) + 1)
            self._is_sorted = False
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
        if self._far:
            self._sort_far()
            yield self._far[0]

    def _make_room(self) -> None:
        if self._end <= len(self._codes):
            return
        room = max(self._end, 2 * len(self._codes), _FEWEST)
        if self._spills:
            try:
                self._codes = self._in_file(room)
            except OSError as error:
                _log.info("names stand in memory: %s", error)
                self._spills = False
        if not self._spills:
            codes = np.zeros(room, np.int32)
            codes[: len(self._codes)] = self._codes
            self._codes = codes

    def _in_file(self, room: int) -> Codes32:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        # What is written to a place that a full disk has no room for ends the process.
        os.posix_fallocate(self._file.fileno(), 0, room * _BYTES)
        # An array of the class memmap is slower.
        return np.asarray(np.memmap(self._file, np.int32, "r+", shape=(room,)))

    def _find_far(self, calls: Integers, found: Codes32) -> None:
        self._sort_far()
        numbers, codes = self._far[0]
        if not len(numbers):
            return
        at = np.minimum(np.searchsorted(numbers, calls), len(numbers) - 1)
        is_far = (found == 0) & (numbers[at] == calls)
        found[is_far] = codes[at[is_far]]

    def _sort_far(self) -> None:
        """Makes one pair of columns of those added: by number, each number once, without those that have come near."""
        if self._is_sorted:
            return
        numbers = np.concatenate([some for some, _ in self._far])
        codes = np.concatenate([some for _, some in self._far])
        order = np.argsort(numbers, kind="stable")
        numbers, codes = numbers[order], codes[order]
        last = np.append(numbers[1:] != numbers[:-1], True)
        near = (numbers >= 0) & (numbers < self._end)
        near[near] = self._codes[numbers[near]] != 0
        self._far = [(numbers[last & ~near], codes[last & ~near])]
        self._is_sorted = True
