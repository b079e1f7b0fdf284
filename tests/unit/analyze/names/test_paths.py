"""analyze/names/paths.py: names made of a directory and a path, in Python and in SQL."""

from __future__ import annotations

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bpfrec.analyze.names.paths import joined, joined_expression, stays_canonical

PARTS = st.sampled_from(["a", "b.c", "..", ".", "...", "..x", ".y", "", "ü", "a b", "%", "\\x2f"])
PATHS = st.builds(lambda parts, slash: "/" * slash + "/".join(parts), st.lists(PARTS, max_size=7), st.integers(0, 2))
BASES = st.lists(st.sampled_from(["a", "..", "home", "ü", "x (deleted)"]), max_size=4).map(lambda p: "/" + "/".join(p))

CONNECTION = duckdb.connect()
CONNECTION.execute(f"CREATE MACRO joined(base, canonical, path) AS {joined_expression('base', 'canonical', 'path')}")


@given(BASES, st.booleans(), PATHS)
@example("/", True, "..")
@example("/a", True, "../../../b/..")
@example("/a/b", True, "./.././/../c/./")
@example("/a", False, "/../b")
@example("/jail", True, "/../../b")
@settings(max_examples=400, deadline=None)
def test_sql_joins_as_python_does(base: str, canonical: bool, path: str) -> None:
    if not path:
        return
    (found,) = CONNECTION.execute("SELECT joined(?, ?, ?)", [base, canonical, path]).fetchone() or ()
    assert found == joined(base, canonical, path)


@given(BASES, PATHS)
def test_a_name_is_absolute_and_has_no_needless_parts(base: str, path: str) -> None:
    parts = joined(base, False, path).split("/")
    assert parts[0] == ""
    assert parts == ["", ""] or not {"", "."} & set(parts[1:])


def test_null_where_a_part_is() -> None:
    assert CONNECTION.execute("SELECT joined(NULL, TRUE, 'x'), joined('/', NULL, NULL)").fetchone() == (None, None)


def test_only_one_more_part_that_is_no_link_leaves_a_name_canonical() -> None:
    known = {
        path: stays_canonical(True, path, 1) for path in ("a", "./a", "../a", "a/", "a/b", "..", ".", "/a", "a/..")
    }
    assert known == {
        "a": True,
        "./a": True,
        "../a": True,
        "/a": True,
        "..": True,
        ".": True,
        "a/": False,
        "a/b": False,
        "a/..": False,
    }
    assert not stays_canonical(True, "a", 0)
    assert stays_canonical(True, "..", 0)
    assert not stays_canonical(False, "a", 2)
    assert stays_canonical(True, "/a/b/c", 2)
