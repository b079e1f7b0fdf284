"""formats/kept_files.py: what is found is what was kept, and nothing is found that others could have put there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bpfrec.formats.kept_files import KeptFiles, UnsafeError

DATA = b"something long enough to be damaged"


@pytest.fixture
def kept(tmp_path: Path) -> KeptFiles:
    """A folder two levels below one that is there, with ``DATA`` under ``one``."""
    files = KeptFiles(tmp_path / "caches" / "ours", os.geteuid(), largest=1000, most_files=3, most_bytes=500)
    files.put("one", DATA)
    return files


def test_what_was_kept_is_found_and_only_its_owner_can_read_it(kept: KeptFiles) -> None:
    assert kept.get("one") == DATA
    kept.put("one", b"other")
    assert kept.get("one") == b"other"
    assert [entry.name for entry in kept.folder.iterdir()] == ["one"]
    assert (kept.folder / "one").stat().st_mode & 0o777 == 0o600
    assert kept.folder.stat().st_mode & 0o777 == 0o700
    assert kept.folder.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileNotFoundError):
        kept.get("two")


def to_link(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


def to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes() + b"x"),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes().replace(b"long", b"tall")),
        lambda file: file.write_bytes(bytes(1001)),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        lambda file: file.parent.chmod(0o701),
        lambda file: file.parent.chmod(0o770),
        lambda file: file.parent.parent.chmod(0o777),
        lambda file: (file.parent.parent / "second").hardlink_to(file),
        to_link,
        to_pipe,
    ],
)
def test_what_is_damaged_or_open_to_others_is_not_used(kept: KeptFiles, spoil: Callable[[Path], None]) -> None:
    spoil(kept.folder / "one")
    with pytest.raises((UnsafeError, OSError)):
        kept.get("one")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_and_folders_of_others_are_not_used(kept: KeptFiles) -> None:
    for path in (kept.folder / "one", kept.folder, kept.folder.parent):
        os.chown(path, 12345, 0)
        with pytest.raises(UnsafeError):
            kept.get("one")
        os.chown(path, 0, 0)
    os.chown(kept.folder.parent, 12345, 0)
    below = replace(kept, folder=kept.folder.parent / "new" / "ours")
    with pytest.raises(UnsafeError):
        below.put("one", DATA)
    assert not below.folder.parent.exists(), "root makes nothing in a folder of another user"


def test_another_user_uses_nothing(kept: KeptFiles) -> None:
    other = replace(kept, owner=os.geteuid() + 1)
    with pytest.raises(UnsafeError):
        other.get("one")
    with pytest.raises(UnsafeError):
        other.put("two", DATA)


def test_what_was_used_longest_ago_goes_first(kept: KeptFiles) -> None:
    for number, name in enumerate(("one", "two", "three")):
        kept.put(name, DATA)
        os.utime(kept.folder / name, ns=(number, number))
    assert kept.get("one") == DATA, "this makes it the one used last"
    kept.put("four", DATA)
    assert sorted(entry.name for entry in kept.folder.iterdir()) == ["four", "one", "three"]
    kept.put("large", bytes(450))
    assert [entry.name for entry in kept.folder.iterdir()] == ["large"], "all together have a bound, too"


def test_what_is_too_large_is_not_kept(kept: KeptFiles) -> None:
    with pytest.raises(UnsafeError):
        kept.put("large", bytes(1000))
    assert kept.get("one") == DATA


def test_parents_are_made_only_where_asked_for(kept: KeptFiles) -> None:
    deeper = replace(kept, folder=kept.folder / "a" / "b", makes_parents=False)
    with pytest.raises(FileNotFoundError):
        deeper.put("one", DATA)
