"""Which calls have which stacks, kept apart from the calls until all stacks are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire

Integers = NDArray[np.int64]


@dataclass
class StackReferences:
    """The records that name or hold stacks (dtype :data:`.wire.EXTRA`), each with the row of its call.

    ``words``: what the records hold, one behind the other; ``sizes``: how many words of it are each one's.
    """

    extras: NDArray[np.void]
    rows: Integers
    words: NDArray[np.uint64]
    sizes: Integers

    def write(self, file: IO[bytes]) -> None:
        """Appends them to ``file``, to be read by :func:`read_references`."""
        for array in (self.extras, self.rows, self.words, self.sizes):
            np.save(file, array, allow_pickle=False)

    def records(self, ts: Integers, pid: NDArray[np.int32], tid: NDArray[np.int32]) -> wire.Records:
        """The calls of these rows, of which only time and ids are known, with their stacks."""
        starts = np.cumsum(self.sizes) - self.sizes
        return wire.few_records(ts, pid, tid, self.extras, self.words, starts, self.rows)


def read_references(file: IO[bytes]) -> StackReferences:
    """What :meth:`StackReferences.write` appended next."""
    extras, rows, words, sizes = (np.load(file, allow_pickle=False) for _ in range(4))
    return StackReferences(extras, rows, words, sizes)


def references_in(records: wire.Records) -> StackReferences:
    """The references in ``records``; rows are indexes of its calls."""
    kinds = records.extras["kind"]
    which = np.flatnonzero((kinds == wire.KIND_PATH) | (kinds == wire.KIND_STACK))
    extras = records.extras[which]
    sizes = extras["size"].astype(np.int64) // 8 - 1
    at = records.extra_data[which] // 8
    total = int(sizes.sum())
    words = np.empty(0, np.uint64)
    if total:
        places = np.repeat(at - (np.cumsum(sizes) - sizes), sizes) + np.arange(total)
        words = records.data.view("<u8").take(places, mode="clip")
    return StackReferences(extras, records.extra_owner[which].astype(np.int64), words, sizes)


def joined(parts: list[StackReferences]) -> StackReferences:
    """``parts``, one behind the other."""
    return StackReferences(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("extras", "rows", "words", "sizes"))
    )
