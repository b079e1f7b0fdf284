from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal, render_text

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("'\"\\;-\x00\x1b\n"),
)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect(":memory:") as c:
        yield c


@given(value=SCALARS)
def test_a_literal_means_its_value(connection, value):
    assert connection.sql(f"SELECT {literal(value)}").fetchall() == [(value,)]


@given(value=st.text())
def test_a_literal_is_safe_to_print(value):
    assert not any(c in literal(value) for c in "\x00\x1b\n\x7f\x9b\u202e\u2028")


def test_floats_and_lists(connection):
    assert connection.sql(f"SELECT {literal(1e-300)}, isnan({literal(float('nan'))})").fetchall() == [(1e-300, True)]
    assert literal(["a", 1, None]) == "('a', 1, NULL)"
    assert connection.sql(f"SELECT 1 WHERE 1 IN {literal([])}").fetchall() == []


def test_a_type_without_a_literal_is_refused():
    with pytest.raises(TypeError):
        literal(object())


@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1))
def test_an_identifier_is_that_name(connection, name):
    assert connection.sql(f"SELECT 1 AS {identifier(name)}").columns == [name]


def test_a_template_quotes_what_is_no_fragment():
    assert render_text("{{ a }} {{ b }}", a="x'y", b=Fragment("c = 1")) == "'x''y' c = 1"


def test_a_template_misses_nothing_in_silence():
    with pytest.raises(TypeError, match="Undefined"):
        render_text("{% if a %}{% endif %}{{ b }}", a=1)
