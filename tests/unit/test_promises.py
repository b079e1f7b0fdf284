"""docs/trust.md and SECURITY.md: every promise has a name and a test, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = re.findall(r"^\| ([a-z-]+) \| [^|]+ \| `([^`]+)` \|$", (ROOT / "docs" / "trust.md").read_text("utf-8"), re.M)


def test_there_are_promises_and_each_has_a_name_of_its_own() -> None:
    assert len(PROMISES) > 10
    assert len(dict(PROMISES)) == len(PROMISES)


@pytest.mark.parametrize(("name", "test"), PROMISES, ids=[name for name, _ in PROMISES])
def test_the_test_of_a_promise_is_there(name: str, test: str) -> None:
    file, _, function = test.partition("::")
    text = (ROOT / file).read_text("utf-8")
    assert name
    assert f"def {function or 'test_'}" in text


def test_security_names_every_promise_and_no_other() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    promised = text.partition("## What we promise today")[2].partition("\n## ")[0]
    bullets = re.split(r"^- ", promised, flags=re.M)[1:]
    assert len(bullets) > 10
    named: set[str] = set()
    for bullet in bullets:
        last = re.search(r"\(([a-z\s,-]+)\)\.\s*$", bullet)
        assert last, f"it names no promise: {bullet}"
        named.update(re.split(r",\s+", last[1]))
    assert named == set(dict(PROMISES))
