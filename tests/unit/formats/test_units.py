"""Numbers, times and sizes as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.units import SECONDS, bytes_in, seconds_in, whole_number


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("+2", 2),
        ("-1", -1),
        ("1e3", 1000),
        ("500ms", 0.5),
        ("5m", 300),
        ("1h30m", 5400),
        (" 1m 30s ", 90),
        ("-2s", -2),
        (".5s", 0.5),
        ("2d", 172_800),
        ("10us", 1e-5),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_in(text) == pytest.approx(seconds)


def test_a_number_alone_has_the_unit_that_is_usual() -> None:
    assert seconds_in("100", "us") == pytest.approx(1e-4)
    assert seconds_in("5ms", "us") == pytest.approx(5e-3)


@pytest.mark.parametrize(
    "text", ["", "soon", "nan", "inf", "5 minutes", "1h30", "ms", "1x", "10:00", "--1", "²s", "9" * 400 + "s"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        seconds_in(text)


@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)))
def test_every_unit_is_read(number: int, unit: str) -> None:
    assert seconds_in(f"{number}{unit}") == pytest.approx(number * SECONDS[unit])


@pytest.mark.parametrize(("text", "size"), [("64", 64), ("64K", 65536), ("1.5MiB", 1_572_864), ("1g", 1 << 30)])
def test_sizes(text: str, size: int) -> None:
    assert bytes_in(text) == size


@pytest.mark.parametrize("text", ["²", "9" * 400 + "K"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        bytes_in(text)


@pytest.mark.parametrize(
    ("text", "most", "number"),
    [
        ("0", 9, 0),
        ("007", 9, 7),
        ("9", 9, 9),
        ("10", 9, None),
        ("18446744073709551615", (1 << 64) - 1, (1 << 64) - 1),
        ("", 9, None),
        ("-1", 9, None),
        ("²", 9, None),
        ("٣", 9, None),
        ("1_0", 99, None),
        ("9" * 5000, (1 << 64) - 1, None),
    ],
)
def test_whole_numbers(text: str, most: int, number: int | None) -> None:
    assert whole_number(text, most) == number
