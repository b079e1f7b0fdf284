from __future__ import annotations

import csv
import datetime
import decimal
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.render import bcc
from bpfrec.analyze.render.colours import painter
from bpfrec.analyze.render.data import csv_rows, json_rows, zoned
from bpfrec.analyze.render.escape import printable, printable_lines
from bpfrec.analyze.render.layout import text_width
from bpfrec.analyze.render.table import table
from bpfrec.analyze.render.text_columns import Duration, TextColumn, duration, fitting_table, scaled, shortened

UNSAFE = [chr(c) for c in (*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028, 0x2066, 0xFEFF)]


@given(text=st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = printable(text)
    assert not any(c in shown for c in UNSAFE)
    shown.encode()
    assert all(c in "\n" or c not in UNSAFE for c in printable_lines(text))


def test_what_is_harmless_stays():
    assert printable("/tmp/ünï 日本 [bold]") == "/tmp/ünï 日本 [bold]"
    assert printable("\x1b\x9b\u202e") == "\\x1b\\x9b\\u202e"


def test_table_aligns_numbers_right_and_text_left():
    lines = list(table(("n", "name"), [(1, "a"), (20, None), (None, "ccc")]))
    assert lines == ["   n  name", "----  ----", "   1  a", "  20  NULL", "NULL  ccc"]


@given(st.lists(st.tuples(st.integers(), st.text(), st.text()), max_size=5), st.integers(40, 100))
def test_a_table_folds_to_the_width_and_cuts_nothing(rows, width):
    lines = list(table(("number", "left", "right"), rows, width))
    assert all(text_width(line) <= width for line in lines)
    shown = "".join("".join(lines[2:]).split())
    expected = "".join(str(n) + printable(a) + printable(b) for n, a, b in rows)
    assert sorted(shown) == sorted("".join(expected.split()))


def test_a_table_folds_at_spaces_where_it_can():
    assert list(table(("a",), [("one two three four",)], 10))[2:] == ["one two", "three four"]


def test_wide_characters_count_twice():
    assert [text_width(s) for s in ("ab", "日本", "e\u0301")] == [2, 4, 1]


VALUES = (
    ("n", "big", "f", "nan", "t", "l", "d", "b", "s"),
    [
        (
            None,
            2**64 - 1,
            1.5,
            float("nan"),
            datetime.datetime(2026, 8, 1, 10, 0),
            [1, {"a": "x\x1b"}],
            decimal.Decimal("1.50"),
            True,
            "\x7f\x9b\x1b\u2028,\"'\n",
        )
    ],
)


def test_json_is_json_and_safe_to_print():
    text = "\n".join(json_rows(*VALUES))
    assert not any(c in text for c in UNSAFE if c != "\n")
    assert json.loads(text) == [
        {
            "n": None,
            "big": 2**64 - 1,
            "f": 1.5,
            "nan": None,
            "t": "2026-08-01T10:00:00",
            "l": [1, {"a": "x\x1b"}],
            "d": 1.5,
            "b": True,
            "s": "\x7f\x9b\x1b\u2028,\"'\n",
        }
    ]


def test_json_of_no_rows_and_of_columns_with_one_name():
    assert json.loads("\n".join(json_rows(("a",), []))) == []
    assert json.loads("\n".join(json_rows(("a", "a"), [(1, 2), (3, 4)]))) == [{"a": 1, "a_1": 2}, {"a": 3, "a_1": 4}]


def test_csv_reads_back_and_escapes_only_for_terminals():
    rows = list(csv.reader(io.StringIO("\n".join(csv_rows(*VALUES)), newline="")))
    assert rows[0] == list(VALUES[0])
    assert rows[1][0] == ""
    assert rows[1][1] == str(2**64 - 1)
    assert rows[1][-1] == VALUES[1][0][-1]
    shown = "\n".join(csv_rows(*VALUES, escape=True))
    assert not any(c in shown for c in UNSAFE if c != "\n")


def test_log2_histogram_is_that_of_bcc():
    # printed by bcc 0.26's _print_log2_hist for these counts
    assert list(bcc.log2_histogram({1: 3, 3: 7, 4: 1}, "bytes")) == [
        "     bytes               : count     distribution",
        "         0 -> 1          : 3        |*****************                       |",
        "         2 -> 3          : 0        |                                        |",
        "         4 -> 7          : 7        |****************************************|",
        "         8 -> 15         : 1        |*****                                   |",
    ]
    wide = list(bcc.log2_histogram({33: 2, 34: 1}, "x"))
    assert wide[0] == "               x                             : count     distribution"
    assert wide[1] == "                   0 -> 1                    : 0        |                    |"
    assert wide[-1] == "          8589934592 -> 17179869183          : 1        |**********          |"
    assert list(bcc.log2_histogram({}, "x")) == []


def test_opensnoop_shows_what_is_known_of_a_path():
    assert bcc.path_text(None, "unreadable") == "<unreadable>"
    assert bcc.path_text("/a", None) == "/a"
    assert bcc.path_text("/a", "truncated") == "/a <truncated>"


def test_a_table_put_aside_is_the_same(monkeypatch):
    rows = [(i, None if i % 3 else f"a\tb\n\u2028{i}", "日本" * (i % 5), 1.5) for i in range(23)]
    whole = list(table(("n", "t", "w", "f"), rows))
    monkeypatch.setattr("bpfrec.analyze.render.table._ROWS_HELD", 5)
    assert list(table(("n", "t", "w", "f"), iter(rows))) == whole


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(), st.text()), min_size=2, max_size=2), max_size=5))
def test_csv_has_a_record_for_every_row_whatever_is_in_it(rows):
    read = list(csv.reader(io.StringIO("\n".join(csv_rows(("a", "b"), rows)), newline="")))
    assert [len(record) for record in read] == [2] * (len(rows) + 1)
    for record, row in zip(read[1:], rows, strict=True):
        for text, value in zip(record, row, strict=True):
            assert text.removeprefix("'") == ("" if value is None else str(value)).removeprefix("'")


def test_a_line_break_alone_is_quoted():
    for value in ("a\nb", "a\rb", "a\r\nb"):
        assert list(csv_rows(("x", "y"), [(value, 1)]))[1] == f'"{value}",1'


def test_a_spreadsheet_is_given_no_formula():
    formulas = ["=1+1", "=cmd|' /C calc'!A0", "@SUM(1)", "+cmd|x!A1", "-2+3+cmd|x!A1", "\t=1", "-sum(A1)"]
    for formula in formulas:
        for escape in (False, True):
            line = list(csv_rows(("x",), [(formula,)], escape=escape))[1]
            assert line.removeprefix('"').startswith("'"), formula
    harmless = ["-c", "--format=json", "+1", "-1", "/a=b", "a=1", "x|y"]
    assert [list(csv_rows(("x",), [(text,)]))[1] for text in harmless] == harmless
    assert list(csv_rows(("x",), [(-5,)]))[1] == "-5"


def test_times_without_a_zone_are_utc():
    types = ("VARCHAR", "TIMESTAMP_NS", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
    rows = [
        ("x", "2026-08-01T10:00:00.000000001", datetime.datetime(2026, 8, 1), "2026-08-01 10:00:00+02"),
        (None,) * 4,
    ]
    assert list(map(list, zoned(types, rows))) == [
        ["x", "2026-08-01T10:00:00.000000001Z", "2026-08-01T00:00:00Z", "2026-08-01 10:00:00+02"],
        [None] * 4,
    ]
    assert zoned(("VARCHAR", "BIGINT"), rows) is rows


WIDE = [(f"c{n}", n * 10**n, "text " * n) for n in range(8)]


def test_many_columns_that_do_not_fit_stand_below_each_other():
    columns = [name for name, _, _ in WIDE]
    lines = list(table(columns, [[number for _, number, _ in WIDE], [text for _, _, text in WIDE]], 40))
    assert lines[0] == "-- 1 ---------"
    assert [line.split() for line in lines[1:9]] == [[name, str(number)] for name, number, _ in WIDE]
    assert lines[9] == "-- 2 ---------"
    assert "".join(lines[10:]).replace(" ", "") == "".join(name + text.replace(" ", "") for name, _, text in WIDE)
    assert max(map(text_width, lines)) <= 40


def test_numbers_are_never_folded_and_a_last_text_gets_its_own_line():
    columns = ["A", "B", "C", "D", "NAME"]
    rows = [(10**9, 10**9, 10**9, 10**9, "x" * 60), (1, 2, 3, 4, "-")]
    assert list(table(columns, rows, 48)) == [
        "         A           B           C           D",
        "      NAME",
        "----------  ----------  ----------  ----------",
        "1000000000  1000000000  1000000000  1000000000",
        "      " + "x" * 42,
        "      " + "x" * 18,
        "         1           2           3           4",
    ]


def test_colours_are_added_by_column():
    lines = list(table(("a", "b"), [(1, "x")], paint=lambda name, text: f"<{name}:{text}>"))
    assert lines == ["<:a>  <:b>", "-  -", "<a:1>  <b:x>"]


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0ns"), (999, "999ns"), (1000, "1.00us"), (207_577, "208us"), (45_100_000, "45.1ms"), (12 * 10**12, "12000s")],
)
def test_durations_have_the_unit_that_suits_them(ns, text):
    assert str(Duration(ns)) == text


def test_a_narrow_terminal_gets_the_narrow_columns():
    wide, narrow = TextColumn("TIME (us)", scaled("ns", 1e3)), TextColumn("T", duration("ns"))
    rows = [{"ns": 10**12}]
    assert list(fitting_table([wide], [narrow], rows, 20))[-1] == "1000000000.000"
    assert list(fitting_table([wide], [narrow], rows, 10))[-1] == "1000s"


def test_long_texts_say_what_they_leave_out():
    for text in ("abc", "abcdef", "x" * 23):
        assert shortened(text, 3) == shortened(text, None) == text
    assert shortened("abc" + "x" * 50, 3) == "abc ... (+50 characters)"


def test_headers_errors_and_bad_ends_have_colours_and_nothing_else():
    paint = painter()
    assert paint("", "  COUNT ") == "  \x1b[1mCOUNT\x1b[0m "
    assert paint("ERROR", "ENOENT  ") == "\x1b[31mENOENT\x1b[0m  "
    assert paint("END", "signal 9") == "\x1b[31msignal 9\x1b[0m"
    plain = [("END", "0 "), ("END", "- "), ("ERROR", "NULL"), ("PATH", "ENOENT"), ("ERROR", "  "), ("", "")]
    assert [paint(name, text) for name, text in plain] == [text for _, text in plain]
