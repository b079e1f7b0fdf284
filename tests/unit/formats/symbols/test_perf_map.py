"""formats/symbols/perf_map.py: the entries that JIT compilers write, and what else stands in such files."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.symbols.perf_map import JitSymbol, entries_for


def names(text: bytes, *addresses: int) -> list[str | None]:
    found = entries_for(io.BytesIO(text), addresses).found
    return [found[a][-1][1].name if a in found else None for a in addresses]


def test_entries_cover_their_bytes_and_no_more() -> None:
    assert names(b"1000 10 one\n1010 10 two\n", 0xFFF, 0x1000, 0x100F, 0x1010, 0x101F, 0x1020) == [
        None,
        "one",
        "one",
        "two",
        "two",
        None,
    ]


def test_a_later_line_wins() -> None:
    assert names(b"1000 100 old\n1080 10 new\n", 0x1000, 0x1080) == ["old", "new"], "V8 appends when it reuses memory"


def test_a_file_that_is_not_ready_ends_there() -> None:
    class NotReady(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return None  # type: ignore[return-value]

    assert entries_for(NotReady(), [0x1000]).found == {}


def test_names_are_kept_as_written() -> None:
    assert names(b"0x1000 0x10 LazyCompile:~on request /srv/my app.js:1:2\r\n", 0x1000) == [
        "LazyCompile:~on request /srv/my app.js:1:2"
    ]
    assert names(b"1000 10 \xff\n", 0x1000) == ["\\xff"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1000\n",
        b"1000 10\n",
        b"here 10 x\n",
        b"1000 0 x\n",
        b"1000 -10 x\n",
        b"-1000 4000 x\n",
        b"1000 " + b"f" * 16 + b" larger than any column holds\n",
        b"f" * 5000 + b" 10 x\n",
        b"\0" * 5000,
    ],
)
def test_lines_that_are_no_entries_are_passed_over(line: bytes) -> None:
    assert names(line + b"\n1000 10 good\n", 0x1000) == ["good"]
    assert names(line, 0x1000) == [None]


def test_the_rest_of_an_overlong_line_is_no_line() -> None:
    filler = b"n" * ((1 << 14) - len(b"2000 10 "))
    text = b"2000 10 " + filler + b"1000 10 forged\n"
    assert names(text, 0x1000) == [None], "the tail of a long name was read as an entry"
    assert len(names(text, 0x2000)[0] or "") <= 1 << 14


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)), max_size=8), st.lists(st.integers(0, 60), max_size=8)
)
def test_same_as_looking_at_every_line(entries: list[tuple[int, int]], addresses: list[int]) -> None:
    lines = [b"%x %x n%d\n" % (start, size, i) for i, (start, size) in enumerate(entries)]
    expected = {
        a: covering
        for a in addresses
        if (
            covering := [
                (sum(map(len, lines[: i + 1])), JitSymbol(start, size, f"n{i}"))
                for i, (start, size) in enumerate(entries)
                if start <= a < start + size
            ]
        )
    }
    assert entries_for(io.BytesIO(b"".join(lines)), addresses).found == expected


@given(st.binary(max_size=400), st.lists(st.integers(-1, 1 << 64), max_size=4))
def test_garbage_never_raises(text: bytes, addresses: list[int]) -> None:
    entries_for(io.BytesIO(text), addresses)
    entries_for(io.BytesIO(b"1000 10 x\n" + text.replace(b"\0", b"\n")), [0x1000, *addresses])


def test_entries_are_found_across_blocks() -> None:
    lines = [b"%x 10 function number %d\n" % (0x1000 + 16 * i, i) for i in range(100_000)]
    text = b"".join(lines)
    assert len(text) > 2 << 20
    for number in (0, 1, 40_000, 99_999):
        assert names(text, 0x1000 + 16 * number) == [f"function number {number}"]
    found = entries_for(io.BytesIO(text), [0x1000 + 16 * 77_777])
    assert found.found[0x1000 + 16 * 77_777][0][0] == sum(map(len, lines[:77_778]))


def test_no_more_is_read_than_may_be() -> None:
    text = b"1000 10 one\n" + b"\0" * 5000 + b"\n2000 10 two\n"
    assert entries_for(io.BytesIO(text), [0x1000, 0x2000], 100).found.keys() == {0x1000}
    assert entries_for(io.BytesIO(text), [0x1000], 100).cut
    assert not entries_for(io.BytesIO(text), [0x1000, 0x2000]).cut
    assert not entries_for(io.BytesIO(text), [0x1000], len(text)).cut


def test_a_map_of_one_address_over_and_over_is_bounded() -> None:
    text = b"".join(b"1000 ffffff n%d\n" % i for i in range(50_000))
    entries = entries_for(io.BytesIO(text), [0x1000])
    assert len(entries.found[0x1000]) == 128
    assert entries.found[0x1000][-1][1].name == "n49999"
    assert entries.older == {0x1000}
