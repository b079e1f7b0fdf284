"""record/options/last.py: a time or a size, and which of them is never in doubt."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from bpfrec.cli import root
from bpfrec.record.options.last import Last, LastPart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60", Last(seconds=60)),
        ("60s", Last(seconds=60)),
        ("5m", Last(seconds=300)),
        ("1h30m", Last(seconds=5400)),
        ("256M", Last(size=256 << 20)),
        ("64MiB", Last(size=64 << 20)),
        ("1.5G", Last(size=3 << 29)),
    ],
)
def test_what_is_kept(text: str, expected: Last) -> None:
    assert LastPart().convert(text, None, None) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5M", "64M or more"),
        ("63.9M", "64M or more"),
        ("1e3M", "64M or more"),
        ("100ms", "1s or more"),
        ("-5", "1s or more"),
        ("nan", "no time and no size"),
        ("", "no time and no size"),
        ("all", "no time and no size"),
    ],
)
def test_what_cannot_be_kept(text: str, said: str) -> None:
    with pytest.raises(click.BadParameter, match=said):
        LastPart().convert(text, None, None)


def test_what_is_shown_as_it_comes_is_all_of_it() -> None:
    done = CliRunner().invoke(root, ["record", "--last", "60s", "--live", "opensnoop", "-p", "1"])
    assert done.exit_code == 2
    assert "leave out one" in done.output
