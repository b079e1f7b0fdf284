from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.render.shorten import fitted


@pytest.mark.parametrize(
    ("frame", "room", "shown"),
    [
        ("main [server]", 5, "main [server]"),
        ("run(int, char const*) [a.out]", 40, "run(int, char const*) [a.out]"),
        ("run(int, char const*) [a.out]", 20, "run(...) [a.out]"),
        ("std::map<int, std::string>::at(int const&) [m]", 40, "std::map<...>::at(int const&) [m]"),
        ("std::map<int, std::string>::at(int const&) [m]", 28, "std::map<...>::at(...) [m]"),
        ("(anonymous namespace)::go(long, long) [m]", 35, "(anonymous namespace)::go(...) [m]"),
        ("a::operator->(int) const [m]", 20, "a::operator->(int) const [m]"),
        ("unbalanced(((((((((((((((( [m]", 10, "unbalanced(((((((((((((((( [m]"),
    ],
)
def test_brackets_are_emptied_until_it_fits(frame: str, room: int, shown: str) -> None:
    assert fitted(frame, room) == shown


@given(st.text(alphabet="ab(<>)-. ", max_size=60), st.integers(0, 60))
def test_it_ends_and_never_grows(frame: str, room: int) -> None:
    shown = fitted(frame, room)
    assert len(shown) <= len(frame)
    assert fitted(shown, room) == shown
