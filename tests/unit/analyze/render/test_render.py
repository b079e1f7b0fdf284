from __future__ import annotations

import csv
import datetime
import decimal
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from bpfrec.analyze.render import bcc
from bpfrec.analyze.render.data import csv_rows, json_rows
from bpfrec.analyze.render.escape import printable, printable_lines
from bpfrec.analyze.render.table import table, text_width

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
