"""formats/typed_json.py: what is written comes back, and nothing else gets in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.typed_json import from_json, to_json


class Place(NamedTuple):
    name: str
    device: tuple[int, int] | None


@dataclass(frozen=True)
class Thing:
    number: int
    texts: list[str]
    places: tuple[Place, ...]
    by_number: dict[int, str | None]
    some: frozenset[int] = frozenset()
    path: Path | None = None
    share: float = 0.0
    sure: bool = False
    derived: int = field(init=False, default=3)


numbers = st.integers(-(1 << 63), (1 << 63) - 1)
things = st.builds(
    Thing,
    number=numbers,
    texts=st.lists(st.text()),
    places=st.lists(st.builds(Place, st.text(), st.none() | st.tuples(numbers, numbers))).map(tuple),
    by_number=st.dictionaries(st.integers(-(10**17), 10**17), st.none() | st.text()),
    some=st.frozensets(numbers),
    path=st.none() | st.text(st.characters(blacklist_characters="\0", codec="utf-8")).map(Path),
    share=st.floats(allow_nan=False, allow_infinity=False),
    sure=st.booleans(),
)


@given(things)
def test_what_is_written_comes_back(thing: Thing) -> None:
    text = to_json(thing)
    assert "\n" not in text
    assert from_json(Thing, text) == thing


GOOD: dict[str, Any] = {"number": 1, "texts": [], "places": [], "by_number": {}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "1"},
        {"number": True},
        {"number": 1 << 70},
        {"number": None},
        {"texts": "abc"},
        {"texts": [1]},
        {"places": [["a", None]]},
        {"places": [{"name": "a", "device": [1]}]},
        {"by_number": {"x": "a"}},
        {"by_number": []},
        {"path": "a\0b"},
        {"sure": 1},
    ],
)
def test_a_wrong_type_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is no|argument"):
        from_json(Thing, to_json(GOOD | wrong))


def test_a_missing_member_is_refused_and_an_unknown_one_ignored() -> None:
    assert from_json(Thing, to_json(GOOD | {"later": 1, "derived": 9})) == Thing(1, [], (), {})
    with pytest.raises(ValueError, match="missing 3"):
        from_json(Thing, '{"number": 1}')
    with pytest.raises(ValueError, match="deeply"):
        from_json(Thing, "[" * 100_000)
