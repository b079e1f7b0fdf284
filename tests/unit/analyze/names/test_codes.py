"""Codes of names: what is added for a call is found again, whatever numbers calls have."""

from __future__ import annotations

import errno
import os

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.analyze.names.codes import Codes, code_of, names_table, paired
from bpfrec.formats.numeric.asof import Integers

_BLOCK = 1 << 20
_NUMBERS = st.one_of(st.integers(0, 50), st.integers(-(2**63), 2**63 - 1), st.integers(2**20 - 5, 2**22 + 5))
_CODES = st.integers(-11, 2**31 - 1).filter(bool)


@settings(max_examples=25)
@given(st.dictionaries(_NUMBERS, _CODES, max_size=40), st.lists(_NUMBERS, max_size=20), st.integers(1, 7))
def test_codes_are_found_by_the_numbers_of_calls(known: dict[int, int], others: list[int], at_once: int) -> None:
    codes = Codes()
    pairs = list(known.items())
    for begin in range(0, len(pairs), at_once):
        some = pairs[begin : begin + at_once]
        codes.add(_integers([call for call, _ in some]), _int32([code for _, code in some]), begin + at_once)
        asked = [call for call, _ in pairs[: begin + at_once]]
        assert codes.find(_integers(asked)).tolist() == [known[call] for call in asked]
    asked = [*known, *others]
    assert codes.find(_integers(asked)).tolist() == [known.get(call, 0) for call in asked]
    found = [
        pair for calls, values in codes.blocks(_BLOCK) for pair in zip(calls.tolist(), values.tolist(), strict=True)
    ]
    assert sorted(found) == sorted(known.items())
    for call in known:
        codes.add(_integers([call]), _int32([77]), 1 << 20)
    assert set(codes.find(_integers(list(known))).tolist()) <= {77}, "what is added again is replaced"
    again = [call for calls, _ in codes.blocks(_BLOCK) for call in calls.tolist()]
    assert sorted(again) == sorted(known)


@settings(max_examples=25)
@given(st.dictionaries(_NUMBERS, st.tuples(st.integers(-3, 9), st.integers(-3, 9)), max_size=40))
def test_a_call_that_names_two_things_has_a_code_for_the_pair(known: dict[int, tuple[int, int]]) -> None:
    texts = [f"/{number}" for number in range(5)]
    places = Codes(), Codes()
    for place, codes in enumerate(places):
        some = {call: pair[place] for call, pair in known.items() if pair[place]}
        codes.add(_integers(list(some)), _int32(list(some.values())), len(some))
    codes, pairs = paired(*places, 2 * len(texts) + 1)
    rows = {row.pop("code"): row for row in names_table(codes, pairs, texts, [True] * len(texts)).to_pylist()}
    nothing = dict.fromkeys(("name", "name2", "reason"))
    for call, found in zip(known, codes.find(_integers(list(known))).tolist(), strict=True):
        first, second = known[call]
        row = rows.get(found, nothing)
        assert row["name"] == (texts[(first - 1) // 2] if first > 0 else None)
        assert row["name2"] == (texts[(second - 1) // 2] if second > 0 else None)
        assert row["reason"] == (-first if first < 0 else -second if second < 0 else None)
        if first > 0:
            assert row["is_path"] == (first % 2 == 0)


def test_arrow_columns_are_looked_up_and_null_has_none() -> None:
    codes = Codes()
    codes.add(_integers([0, 2]), _int32([7, -3]), 2)
    column = pa.chunked_array([pa.array([2, None], pa.int64()), pa.array([0, 1], pa.int64())])
    assert codes.arrow(column).to_pylist() == [-3, 0, 7, 0]
    assert codes.arrow(column).type == pa.int32()


def test_a_code_tells_names_from_paths_below_them_and_from_reasons() -> None:
    name, is_path, reason = _integers([0, 0, 5, -1, -1]), np.array([False, True, True, True, False]), [0, 0, 0, 4, 0]
    assert code_of(name, is_path, _integers(reason)).tolist() == [1, 2, 12, -4, 0]


def _integers(values: list[int]) -> Integers:
    return np.array(values, np.int64)


def _int32(values: list[int]) -> np.ndarray:
    return np.array(values, np.int32)


def test_codes_stand_in_memory_where_a_file_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, allocate = Codes(), os.posix_fallocate

    def nearly_full(file: int, begin: int, size: int) -> None:
        if size > 1 << 22:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(file, begin, size)

    monkeypatch.setattr(os, "posix_fallocate", nearly_full)
    numbers = [3, 1 << 20, 1 << 21, 1 << 22]
    for call in numbers:
        codes.add(_integers([call]), _int32([call + 1]), 1 << 22)
    assert codes.find(_integers(numbers)).tolist() == [call + 1 for call in numbers]
