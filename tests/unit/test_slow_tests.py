"""The list of tests that FAST=1 leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import slow_tests

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("line", sorted(slow_tests()))
def test_what_is_listed_as_slow_is_there(line: str) -> None:
    file, _, name = line.partition("::")
    assert not name or f"def {name}(" in (TESTS / file).read_text("utf-8"), f"{name} is in tests/slow.txt"
    assert (TESTS / file).is_file()
