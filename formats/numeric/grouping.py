"""Equal values of whole columns brought together, faster than by sorting them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_FEW = 4096
"""For so many values it is not worth while to make a hash table."""


def places_among(values: NDArray[np.signedinteger], distinct: NDArray[np.signedinteger]) -> Integers:
    """Where each value stands in ``distinct``, which is sorted and has each once; -1 for a value that does not."""
    if not len(distinct):
        return np.full(len(values), -1, np.int64)
    if len(values) <= _FEW:
        place = np.searchsorted(distinct, values)
        place[place == len(distinct)] = 0
        return np.where(distinct[place] == values, place, -1)
    import pyarrow as pa  # noqa: PLC0415 - who asks a little does not wait for it
    import pyarrow.compute as pc  # noqa: PLC0415

    asked, known = (pa.array(column.astype(np.int64, copy=False)) for column in (values, distinct))
    found: Integers = pc.index_in(asked, value_set=known).fill_null(-1).to_numpy().astype(np.int64)
    return found


def ranked(values: NDArray[np.signedinteger]) -> tuple[Integers, NDArray[np.signedinteger]]:
    """The place of each value among the distinct ones, and these in order, as ``numpy.unique`` gives them."""
    if len(values) <= _FEW:
        distinct, rank = np.unique(values, return_inverse=True)
        return rank, distinct
    import pyarrow as pa  # noqa: PLC0415

    encoded = pa.array(values).dictionary_encode()
    found = encoded.dictionary.to_numpy()
    order = np.argsort(found)
    rank_of = np.empty(len(found), np.int64)
    rank_of[order] = np.arange(len(found))
    return rank_of[encoded.indices.to_numpy()], found[order]


def stable_order(numbers: NDArray[np.signedinteger], end: int) -> Integers:
    """What ``numpy.argsort``, kind stable, gives for numbers from -1 to ``end`` - 1.

    Numbers of 16 bits are counted by numpy, not compared.
    """
    above = numbers + 1
    order = np.argsort((above & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in range(16, int(end).bit_length(), 16):
        part = (above >> shift & 0xFFFF).astype(np.uint16)
        order = order[np.argsort(part[order], kind="stable")]
    return order
