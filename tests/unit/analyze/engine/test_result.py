from __future__ import annotations

import sys

import numpy as np
import pytest
from support.trace_builder import ESCAPES

import bpfrec
from bpfrec.analyze.engine.result import Result

HIGH = 2**64 - 1


def result(rows: list[tuple], columns: str = "arg0 comm", **more) -> Result:
    names = columns.split()
    types = ["UBIGINT" if name.startswith("arg") else "VARCHAR" for name in names]
    return Result(names, types, rows, "FROM syscalls", **more)


@pytest.fixture
def lab1(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        yield trace


def test_a_trace_says_what_it_is(lab1, lab1_trace):
    start = "from 2026-08-01 10:00:00 UTC"
    assert repr(lab1) == f"<Trace {lab1_trace} with 61 calls in 2.0 s {start} on lab>"
    html = lab1._repr_html_()
    assert all(text in html for text in (str(lab1_trace), "61 calls", "2.0 s", start))


def test_a_closed_trace_says_what_it_was(lab1_trace):
    with bpfrec.open(lab1_trace) as trace:
        pass
    assert "61 calls" in repr(trace)


def test_a_result_shows_its_first_rows_and_how_many_there_are():
    shown = repr(result([(7, "sh"), (None, "x" * 100)], notes=["open matched openat"])).splitlines()
    assert shown == [
        "arg0  comm",
        "7     sh",
        "NULL  " + "x" * 59 + "…",
        "note: open matched openat",
        "[2 rows of 2 columns]",
    ]
    long = repr(result([(i, "sh") for i in range(1234)])).splitlines()
    assert len(long) == 22
    assert long[-1] == "[1,234 rows of 2 columns, the first 20 shown]"
    assert repr(result([(1,)], "arg0")).splitlines()[-1] == "[1 row of 1 column]"


def test_a_result_is_a_table_in_a_notebook():
    html = result([(7, "<script>&")], notes=["a < b"])._repr_html_()
    assert "<td>7</td><td>&lt;script&gt;&amp;</td>" in html
    assert "<p>a &lt; b</p><p>[1 row of 2 columns]</p>" in html


@pytest.mark.parametrize("show", [repr, Result._repr_html_])
def test_escapes_of_a_stranger_are_shown_and_not_obeyed(show):
    shown = show(result([(1, ESCAPES)], notes=[ESCAPES]))
    assert shown.replace("\n", "").isprintable()
    assert r"\x1b[31m" in shown


def test_the_trace_of_a_stranger_is_shown_and_not_obeyed(hostile_trace):
    with bpfrec.open(hostile_trace) as trace:
        assert repr(trace).isprintable()
        assert trace._repr_html_().isprintable()


def test_rows_that_are_not_read_are_not_read_for_a_look(lab1):
    lazy = lab1.query("SELECT error('read') AS a, 1 AS b", lazy=True)
    assert repr(lazy) == "[2 columns, rows not read yet: a, b]"
    assert lazy._repr_html_() == "<p>[2 columns, rows not read yet: a, b]</p>"


def test_a_result_counts_and_iterates(lab1):
    listed = lab1.query("SELECT pid FROM processes ORDER BY 1")
    assert len(listed) == 2
    assert list(listed) == [(99,), (4242,)]
    lazy = lab1.query("SELECT pid FROM processes ORDER BY 1", lazy=True)
    assert next(iter(lazy)) == (99,)
    assert len(lazy) == 2
    assert result([]), "a result without rows is a result"


def test_a_data_frame_keeps_all_digits_where_values_are_missing():
    frame = result([(HIGH, "a"), (None, "b")]).df()
    assert str(frame["arg0"].dtype) == "UInt64"
    assert int(frame["arg0"][0]) == HIGH
    assert frame["arg0"].isna().tolist() == [False, True]
    assert result([(HIGH, "a")]).df()["arg0"].dtype == np.uint64


def test_a_data_frame_may_have_two_columns_of_one_name():
    assert result([(1, 2), (None, 3)], "arg0 arg0").df().shape == (2, 2)


def test_polars_gets_the_rows():
    frame = result([(HIGH, "a"), (None, "b")]).pl()
    assert frame.rows() == [(HIGH, "a"), (None, "b")]


@pytest.mark.parametrize(("method", "library"), [("df", "pandas"), ("pl", "polars")])
def test_a_library_that_is_missing_is_named_with_the_remedy(monkeypatch, method, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(bpfrec.BpfrecError, match=f"needs {library}") as refused:
        getattr(result([(1, "a")]), method)()
    assert refused.value.hint == f"Install it with: pip install {library}"


def test_a_query_for_a_data_frame_keeps_all_digits(lab1):
    frame = lab1.query("SELECT unnest([18446744073709551615::UBIGINT, NULL]) AS arg0").df()
    assert int(frame["arg0"][0]) == HIGH
