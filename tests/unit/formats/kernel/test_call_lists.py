"""Lists of system calls in strace's notation."""

from __future__ import annotations

import pytest

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.call_lists import CallList, call_names, chosen_calls, parse_call_list


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("openat, read", {"openat", "read"}),
        ("trace=read", {"read"}),
        ("openat?", {"openat2"}),
        ("/^openat", {"openat", "openat2"}),
        ("unknown_999", {"unknown_999"}),
    ],
)
def test_names_and_patterns(text: str, names: set[str]) -> None:
    assert parse_call_list(text) == CallList(frozenset(names))


def test_classes_have_several_names() -> None:
    assert call_names("%net") == call_names("%network") == call_names("network")
    assert {"connect", "accept4"} <= call_names("%net")
    assert {"open", "openat", "openat2"} <= call_names("open*")


def test_lists_add_up_and_negative_ones_take_away() -> None:
    assert chosen_calls([]) is None
    assert chosen_calls(["read", "write"]) == CallList(frozenset({"read", "write"}))
    assert chosen_calls(["read,write", "!write"]) == CallList(frozenset({"read"}))
    assert chosen_calls(["!read", "!write"]) == CallList(frozenset({"read", "write"}), negative=True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("opn", "open"),
        ("opn*", "opn*"),
        ("%nothing", "%file"),
        ("read,!write", "whole list"),
        ("/(", "regular expression"),
        ("/^nothing$", "matches"),
        ("", "''"),
        ("unknown_x", "unknown_x"),
    ],
)
def test_what_is_no_call_is_refused(text: str, says: str) -> None:
    with pytest.raises(BpfrecError) as refused:
        parse_call_list(text)
    assert says in str(refused.value)
    with pytest.raises(BpfrecError):
        call_names("unknown_999")
