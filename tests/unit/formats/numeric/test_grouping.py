"""formats/numeric/grouping.py and parts.py against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.formats.numeric.grouping import are_among, places_among, ranked, rows_alike, stable_order
from bpfrec.formats.numeric.parts import ROWS, in_parts

ROWS_AND_SEED = st.tuples(st.sampled_from((0, 1, 7, 5000)), st.integers(0, 2**32 - 1))


@given(ROWS_AND_SEED, st.sampled_from((1, 9, 70_000, 2**33)))
@settings(max_examples=20)
def test_equal_values_are_brought_together(given_: tuple[int, int], end: int) -> None:
    rows, seed = given_
    values = np.random.default_rng(seed).integers(-1, end, rows)
    assert (stable_order(values, end) == np.argsort(values, kind="stable")).all()
    rank, distinct = ranked(values)
    expected, inverse = np.unique(values, return_inverse=True)
    assert (distinct == expected).all()
    assert (rank == inverse).all()
    asked = np.append(values, (end + 5, -7))
    assert (places_among(asked, distinct) == np.append(inverse, (-1, -1))).all()


@given(ROWS_AND_SEED, st.sampled_from((1, 3, 900)))
@settings(max_examples=15)
def test_rows_alike_are_grouped_in_order(given_: tuple[int, int], end: int) -> None:
    rows, seed = given_
    random = np.random.default_rng(seed)
    columns = [
        random.integers(0, end, rows),
        random.integers(-(2**63), -(2**63) + end, rows),
        random.integers(0, 3, rows),
    ]
    first, group = rows_alike(columns)
    _, expected, inverse = np.unique(np.column_stack(columns), axis=0, return_index=True, return_inverse=True)
    assert (first == expected).all()
    assert (group == inverse.reshape(-1)).all()


@pytest.mark.parametrize("rows", [0, 5, 2 * ROWS, 3 * ROWS + 1])
def test_parts_make_the_whole(rows: int) -> None:
    column = np.arange(rows)
    doubled, odd = in_parts(lambda some, others: (some + others, some % 2 == 1), column, column)
    assert (doubled == 2 * column).all()
    assert odd.sum() == rows // 2


@given(st.lists(st.integers(-20, 20)), st.lists(st.integers(-12, 12), min_size=1, max_size=4))
def test_are_among_says_what_isin_says(values: list[int], few: list[int]) -> None:
    asked, known = np.array(values, np.int64), np.array(few, np.int64)
    assert are_among(asked, known).tolist() == np.isin(asked, known).tolist()
