"""record/options/until.py: what is written behind --until means what it says, or is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.typed_json import from_json, to_json
from bpfrec.record.options.until import Comparison, Condition, parse_condition
from bpfrec.record.request import Request


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "openat ENOENT /etc/app/*",
            {"calls": frozenset({"openat"}), "failed": True, "errnos": frozenset({2}), "paths": ("/etc/app/*",)},
        ),
        ("fsync >100ms", {"calls": frozenset({"fsync"}), "durations": (Comparison(">", 100_000_000),)}),
        ("exit_group !=0", {"calls": frozenset({"exit_group"}), "results": (Comparison("!=", 0),)}),
        ("read ==-0x10", {"calls": frozenset({"read"}), "results": (Comparison("=", -16),)}),
        ("read,write failed", {"calls": frozenset({"read", "write"}), "failed": True}),
        (
            "read >=1 <=010 >1.5s EAGAIN,EINTR",
            {
                "calls": frozenset({"read"}),
                "failed": True,
                "errnos": frozenset({4, 11}),
                "durations": (Comparison(">", 1_500_000_000),),
                "results": (Comparison(">=", 1), Comparison("<=", 10)),
            },
        ),
        ("openat '/my files/*'", {"calls": frozenset({"openat"}), "paths": ("/my files/*",)}),
    ],
)
def test_a_condition_means_what_it_says(text: str, meant: dict[str, object]) -> None:
    assert parse_condition(text) == Condition(text=text, **meant)  # type: ignore[arg-type]


def test_a_pattern_for_a_path_leaves_calls_with_paths() -> None:
    calls = parse_condition("%file,read /tmp/*").calls
    assert "openat" in calls
    assert "read" not in calls


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with the name"),
        ("opennat", "opennat"),
        ("openat ENOTHING", "ENOTHING"),
        ("fsync >fast", "fast"),
        ("fsync =100ms", "compare times"),
        ("fsync >-1s", "no call takes"),
        ("fsync /tmp/x", "takes no path"),
        ("openat app.conf", r"\*app.conf"),
        ("openat 'open", "quot"),
        ("read >99999999999999999999", "larger"),
    ],
)
def test_what_means_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises((ValueError, BpfrecError), match=said):
        parse_condition(text)


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    for written in (text, f"openat {text}"):
        with suppress(ValueError, BpfrecError):
            assert parse_condition(written).calls


def test_a_journal_keeps_conditions() -> None:
    request = Request(until=(parse_condition("openat ENOENT >1ms =-2 /a*"),), after=2.5)
    assert from_json(Request, to_json(request)) == request
