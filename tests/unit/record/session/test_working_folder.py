"""record/session/working_folder.py: names of files, and what they take of the disk."""

from __future__ import annotations

from pathlib import Path

from bpfrec.record.session.working_folder import (
    RESERVE,
    SpoolKind,
    bytes_on_disk,
    saved_part_in,
    saved_parts_in,
    spool_in,
    unneeded,
)


def test_a_file_that_is_renamed_meanwhile_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(bytes(10_000))
    held = bytes_on_disk([tmp_path / "there"])
    assert held >= 10_000
    assert bytes_on_disk([tmp_path / "there", tmp_path / "gone"]) == held


def test_a_hole_takes_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert bytes_on_disk([tmp_path / "sparse"]) < 1 << 20


def test_recover_needs_parts_only_where_some_are_saved(tmp_path: Path) -> None:
    spools = [spool_in(tmp_path, kind).name for kind in SpoolKind]
    parts, saved = ["early.live-0.part", "arrays.000000.part"], saved_part_in(tmp_path, 0).name
    assert unneeded([*spools, *parts, RESERVE]) == [*parts, RESERVE]
    assert unneeded([*spools, *parts, saved, RESERVE, "converted.000001.new"]) == [RESERVE, "converted.000001.new"]


def test_saved_parts_are_in_order(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        saved_part_in(tmp_path, number).touch()
    assert saved_parts_in(tmp_path) == [saved_part_in(tmp_path, number) for number in (0, 2, 10)]
