"""Equal values of whole columns brought together, faster than by sorting them."""

from __future__ import annotations

from collections.abc import Sequence

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

    from bpfrec.formats.arrow_kernels import places_in  # noqa: PLC0415

    asked, known = (pa.array(column.astype(np.int64, copy=False)) for column in (values, distinct))
    found: Integers = places_in(asked, known).to_numpy().astype(np.int64)
    return found


def are_among(values: NDArray[np.signedinteger], few: NDArray[np.signedinteger]) -> NDArray[np.bool_]:
    """Whether each value is one of ``few``, which lie close together: most values are below or above all of them."""
    found: NDArray[np.bool_] = (values >= few.min()) & (values <= few.max())
    if found.any():
        found[found] = np.isin(values[found], few)
    return found


def ranked(values: NDArray[np.signedinteger]) -> tuple[Integers, NDArray[np.signedinteger]]:
    """The place of each value among the distinct ones, and these in order, as ``numpy.unique`` gives them."""
    if len(values) <= _FEW:
        distinct, rank = np.unique(values, return_inverse=True)
        return rank, distinct
    import pyarrow as pa  # noqa: PLC0415

    from bpfrec.formats.arrow_kernels import encoded  # noqa: PLC0415

    column = encoded(pa.array(values))
    found = column.dictionary.to_numpy()
    order = np.argsort(found)
    rank_of = np.empty(len(found), np.int64)
    rank_of[order] = np.arange(len(found))
    return rank_of[column.indices.to_numpy()], found[order]


def rows_alike(columns: Sequence[NDArray[np.signedinteger]]) -> tuple[Integers, Integers]:
    """Groups of rows that have the same in all ``columns``: the first row of each group, and the group of each row.

    The groups are in the order of what their rows have, the first column first.
    """
    group: Integers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        rank, distinct = ranked(column)
        group, _ = ranked(group * max(len(distinct), 1) + rank)
    first = np.zeros(int(group.max()) + 1 if len(group) else 0, np.int64)
    first[group[::-1]] = np.arange(len(group))[::-1]
    return first, group


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
