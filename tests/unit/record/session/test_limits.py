"""record/session/limits.py and --max-size: a recording ends before it takes more than it may."""

from __future__ import annotations

import click
import pytest

from bpfrec.record.options.disk_size import DiskSize
from bpfrec.record.session.limits import Limits


def test_a_recording_ends_before_it_takes_more_than_it_may() -> None:
    sizes = iter([10, 40, 55, 70])
    limits = Limits(None, 100, lambda: next(sizes))
    assert limits.reached(is_marked=True) is None
    assert limits.reached(is_marked=False) is None, "the disk is looked at once a segment"
    # 40 and as much again as it grew by, and room for the finished file: 87.5.
    assert limits.reached(is_marked=True) is None
    # (55 + 15) * 1.25 = 87.5, (70 + 15) * 1.25 = 106.25
    assert limits.reached(is_marked=True) is None
    assert limits.reached(is_marked=True) == "--max-size was reached"


def test_time_is_a_limit_too() -> None:
    assert Limits(1e-9, None, int).reached(is_marked=False) == "--max-duration was reached"
    assert Limits(1000, None, int).reached(is_marked=True) is None


@pytest.mark.parametrize(("text", "size"), [("64M", 64 << 20), ("2G", 2 << 30), ("1.5g", 3 << 29), ("1TiB", 1 << 40)])
def test_sizes_are_written_as_people_write_them(text: str, size: int) -> None:
    assert DiskSize().convert(text, None, None) == size


@pytest.mark.parametrize("text", ["63M", "2", "G", "-2G", "2 hours", "inf"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DiskSize().convert(text, None, None)
