from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judge.strace_values import Value, split, unescape, without_comments

LETTERS = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def strace_escaped(data: bytes) -> str:
    """As strace writes a string: octal as short as the next character allows."""
    said = []
    for byte, following in zip(data, data[1:] + b" ", strict=False):
        if byte in LETTERS:
            said.append(LETTERS[byte])
        elif 32 <= byte < 127:
            said.append(chr(byte))
        else:
            said.append(f"\\{byte:03o}" if ord("0") <= following <= ord("7") else f"\\{byte:o}")
    return "".join(said)


@given(st.binary())
def test_what_strace_escapes_is_unescaped(data: bytes) -> None:
    assert unescape(strace_escaped(data)) == data


@given(st.binary())
def test_hexadecimal_escapes_too(data: bytes) -> None:
    assert unescape("".join(f"\\x{byte:02x}" for byte in data)) == data


@given(st.lists(st.binary(), min_size=1), st.binary())
def test_nothing_in_a_string_ends_it(strings: list[bytes], rest: bytes) -> None:
    written = [f'"{strace_escaped(each)}"' for each in strings]
    text = ", ".join(written) + f') = 0 "{strace_escaped(rest)}"'
    parts, end = split(text)
    assert parts == written
    assert [Value(part).string for part in parts] == [(each, False) for each in strings]
    assert text[end:].startswith(") = 0")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("1", ["1"]),
        ("AT_FDCWD, NULL, 0", ["AT_FDCWD", "NULL", "0"]),
        (
            '[{fd=1, events=POLLIN}], 1, {a=[1, 2], b={c="}"}}',
            ["[{fd=1, events=POLLIN}]", "1", '{a=[1, 2], b={c="}"}}'],
        ),
        ("{st_dev=makedev(0xfe, 0)}, 0", ["{st_dev=makedev(0xfe, 0)}", "0"]),
        ("0x7ffe /* 3 vars, or so) */, 2", ["0x7ffe /* 3 vars, or so) */", "2"]),
        ("~[RTMIN RT_1], 1<<SIGINT", ["~[RTMIN RT_1]", "1<<SIGINT"]),
        ('3, "", ', ["3", '""', ""]),
    ],
)
def test_arguments_are_split_outside_of_brackets(text: str, parts: list[str]) -> None:
    assert split(text) == (parts, len(text))
    assert split(text + ") = 0")[1] == len(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-1", -1),
        ("0x1f", 31),
        ("NULL", 0),
        ("0644", 0o644),
        ("AT_FDCWD", None),
        ("1<<3", None),
        ('"1"', None),
    ],
)
def test_numbers(text: str, number: int | None) -> None:
    assert Value(text).number == number
    assert Value(text).is_number == (number is not None)


def test_structs_arrays_and_cut_strings() -> None:
    value = Value("{tv_sec=0, tv_nsec=1000, flags=A|B, list=[1, 2]}")
    assert value.fields is not None
    assert value.fields["tv_nsec"].number == 1000
    assert value.fields["list"].items == [Value("1"), Value("2")]
    assert Value("[1]").fields is None
    assert Value("{}").items is None
    assert Value('"abc"...').string == (b"abc", True)
    assert Value("0x1").string is None


def test_comments_go_and_strings_stay() -> None:
    assert without_comments('{a=1 /* one */, b="/* two */"} /* "three" */') == '{a=1, b="/* two */"}'
