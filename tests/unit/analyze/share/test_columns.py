"""Every column that can hold a secret has a rule."""

from __future__ import annotations

import pytest

from bpfrec.analyze.share.columns import classes, rules
from bpfrec.formats.schema import TABLES


def test_every_column_of_text_or_bytes_has_a_rule() -> None:
    columns = {(t.name, c.name) for t in TABLES for c in t.columns if c.sql_type in ("VARCHAR", "BLOB")}
    assert columns - set(rules()) == set(), "say in analyze/share/columns.tsv what these columns may tell"


def test_no_rule_is_for_a_column_that_is_not_there() -> None:
    assert set(rules()) <= {(t.name, c.name) for t in TABLES for c in t.columns}


@pytest.mark.parametrize("place", sorted(rules()), ids="-".join)
def test_the_rule_names_classes_that_there_are(place: tuple[str, str]) -> None:
    rule = rules()[place]
    assert set(rule.classes) <= set(classes())
    assert bool(rule.classes) == (rule.kind != "fixed")
