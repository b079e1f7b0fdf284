"""Answers made column by column are those made row by row."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bpfrec
from bpfrec.analyze.commands.output import Output, rendered
from bpfrec.analyze.render import table as tables
from bpfrec.analyze.render.data import csv_rows, json_rows
from bpfrec.analyze.render.table import table

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=12),
    st.sampled_from(["", "NULL", 'a"b', "a,b", "a\nb", "a\r", "\x1b[31m", "日本\u0301", " x ", "=cmd|x", "\u202e"]),
)
KINDS = {
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.bool_(): st.booleans(),
    pa.float64(): st.one_of(st.floats(), st.sampled_from([1.0, 1e300, -0.0, math.inf, math.nan])),
    pa.string(): TEXT,
    pa.null(): st.none(),
}


@st.composite
def answers(draw):
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4))
    rows = draw(st.lists(st.tuples(*(st.one_of(st.none(), KINDS[kind]) for kind in kinds)), max_size=12))
    size = draw(st.integers(1, 5))
    names = [str(i) for i in range(len(kinds))]
    batches = [
        pa.RecordBatch.from_arrays(
            [pa.array([row[i] for row in rows[at : at + size]], kind) for i, kind in enumerate(kinds)], names
        )
        for at in range(0, len(rows), size)
    ]
    return draw(st.lists(TEXT, min_size=len(kinds), max_size=len(kinds))), rows, batches


@patient
@given(answers())
def test_json(answer):
    columns, rows, batches = answer
    assert "\n".join(json_rows(columns, (), batches)) == "\n".join(json_rows(columns, rows))
    assert "\n".join(json_rows(columns, rows, batches)) == "\n".join(json_rows(columns, rows * 2))


@patient
@given(answers(), st.booleans())
def test_csv(answer, escape):
    columns, rows, batches = answer
    by_column = "\n".join(csv_rows(columns, (), escape, batches))
    assert by_column == "\n".join(csv_rows(columns, rows, escape))


@patient
@given(answers(), st.sampled_from([None, 10, 30, 200]), st.booleans())
def test_table(answer, width, breaks):
    columns, rows, batches = answer
    assert "\n".join(table(columns, (), width, breaks, batches)) == "\n".join(table(columns, rows, width, breaks))


def test_a_long_table_waits_in_a_file(monkeypatch):
    monkeypatch.setattr(tables, "_BYTES_HELD", 100)
    rows = [(i, f"text {i % 7}") for i in range(1000)]
    batches = [
        pa.RecordBatch.from_arrays([pa.array(c) for c in zip(*rows[at : at + 64], strict=True)], ["a", "b"])
        for at in range(0, 1000, 64)
    ]
    assert "\n".join(table(["a", "b"], (), batches=batches)) == "\n".join(table(["a", "b"], rows))


@pytest.fixture
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


LONG = (
    "SELECT range AS i, range % 3 = 1 AS b, 'x' || range AS s, TIMESTAMP_NS '2026-01-01 00:00:00' AS t FROM range({})"
)


@pytest.mark.grid
@pytest.mark.parametrize("form", ["json", "csv", "table"])
@pytest.mark.parametrize("count", [10, 100_000])
def test_long_answers_look_as_short_ones_do(lab1, form, count):
    lazy, held = lab1.query(LONG.format(count), lazy=True), lab1.query(LONG.format(count))
    assert (lazy.source.batches() is not None) == (count > 10)
    assert "\n".join(rendered(lazy, Output(form, show_sql=False))) == "\n".join(
        rendered(held, Output(form, show_sql=False))
    )


def test_values_that_are_others_in_arrow_come_as_rows(lab1):
    result = lab1.query("SELECT range::HUGEINT AS i, MAP {'a': range} AS m FROM range(60_000)", lazy=True)
    lines = list(rendered(result, Output("json", show_sql=False)))
    assert lines[1] == '{"i": 0, "m": {"a": 0}},'


def test_a_long_answer_that_fails_on_the_way_says_so(lab1):
    failing = "SELECT CASE WHEN range < 70_000 THEN 1 ELSE error('too far') END AS i FROM range(100_000)"
    with pytest.raises(bpfrec.BpfrecError, match="too far"):
        list(rendered(lab1.query(failing, lazy=True), Output("csv", show_sql=False)))
    assert lab1.query("SELECT 1").rows == [(1,)]


def test_a_long_answer_that_is_not_read_to_its_end_is_no_obstacle(lab1):
    batches = lab1.query(LONG.format(1_000_000), lazy=True).source.batches()
    assert next(batches).num_rows > 0
    batches.close()
    assert lab1.query("SELECT 1").rows == [(1,)]
