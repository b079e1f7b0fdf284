"""formats/numeric/asof.py against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.formats.numeric.asof import FOREVER, AsOf

PAIRS = st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 6)), max_size=12)


def naive(entries: list[tuple[int, int]], key: int, time: int) -> int:
    best = -1
    for index, (other, since) in enumerate(entries):
        if other == key and since <= time and (best < 0 or since >= entries[best][1]):
            best = index
    return best


@given(PAIRS, PAIRS)
def test_same_as_a_loop(entries: list[tuple[int, int]], asked: list[tuple[int, int]]) -> None:
    table = np.array(entries, np.int64).reshape(-1, 2)
    questions = np.array(asked, np.int64).reshape(-1, 2)
    found = AsOf(table[:, 0], table[:, 1]).lookup(questions[:, 0], questions[:, 1])
    assert found.tolist() == [naive(entries, key, time) for key, time in asked], "another entry holds at that time"


@given(st.integers(1, 300), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_many_questions_are_answered_like_few(entries: int, keys: int, far: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    known, times = random.integers(0, keys, entries), random.integers(0, 1000, entries)
    if far:
        times[0] = -FOREVER
    asof = AsOf(known, times)
    asked, when = random.integers(-1, keys + 1, 10_000), random.integers(-5, 1005, 10_000)
    many = (asof.last(asked, when), *asof.around(asked, when), asof.lookup(asked, when))
    few = [
        (asof.last(asked[a : a + 100], when[a : a + 100]), *asof.around(asked[a : a + 100], when[a : a + 100]))
        for a in range(0, 10_000, 100)
    ]
    for one, parts in zip(many[:3], zip(*few, strict=True), strict=True):
        assert (one == np.concatenate(parts)).all()
    pairs = list(zip(known.tolist(), times.tolist(), strict=True))
    for place in range(0, 10_000, 1000):
        assert many[3][place] == naive(pairs, asked[place], when[place]), "another entry holds at that time"


def test_times_as_large_as_the_clock_gives() -> None:
    day = 86400 * 10**9
    lookup = AsOf(np.array([7, 7]), np.array([10_000 * day, 10_000 * day + 1]))
    asked = np.array([10_000 * day - 1, 10_000 * day, 10_000 * day + 1])
    assert lookup.lookup(np.array([7, 7, 7]), asked).tolist() == [-1, 0, 1], "a nanosecond must tell entries apart"


def test_times_as_far_away_as_64_bits_tell() -> None:
    lookup = AsOf(np.array([1, 1, 2]), np.array([-(2**63), 5, 6]))
    asked = np.array([-(2**63), 4, 5, 2**63 - 1])
    assert lookup.lookup(np.array([1, 1, 1, 1]), asked).tolist() == [0, 0, 1, 1]
    near = AsOf(np.array([1, 1]), np.array([-(2**63), -(2**63) + 5]))
    assert near.lookup(np.array([1, 1, 1]), asked[[0, 1, 3]]).tolist() == [0, 1, 1]
