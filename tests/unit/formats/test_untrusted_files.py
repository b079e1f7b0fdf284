"""formats/untrusted_files.py: files of others are opened as far as they themselves could, and no further."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfrec.formats.untrusted_files import open_in_root

USER = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with ``/tmp``, and a secret beside it."""
    (tmp_path / "root" / "tmp").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for folder in ("outside", "root/tmp"):
        (tmp_path / folder / "perf-1.map").write_text(folder)
    return tmp_path / "root"


def text(root: Path, uid: int | None = None, folder: str = "tmp") -> str | None:
    file = open_in_root(root, folder, "perf-1.map", uid)
    if file is None:
        return None
    with file:
        return file.read().decode()


def test_a_file_in_the_folder() -> None:
    assert text(Path("/nowhere")) is None


def test_links_do_not_lead_out(root: Path) -> None:
    assert text(root) == "root/tmp"
    outside = root.parent / "outside"
    (root / "absolute").symlink_to(outside)
    (root / "climbing").symlink_to("../outside")
    (root / "inside").symlink_to("/tmp")
    assert text(root, folder="absolute") is None
    assert text(root, folder="climbing") is None
    assert text(root, folder="inside") == "root/tmp", "the root of the link is that of the process"
    (root / "tmp" / "perf-1.map").unlink()
    (root / "tmp" / "perf-1.map").symlink_to(outside / "perf-1.map")
    assert text(root) is None, "perf maps are no links"


def test_other_kinds_of_files_are_not_opened(root: Path) -> None:
    (root / "tmp" / "perf-1.map").unlink()
    os.mkfifo(root / "tmp" / "perf-1.map")
    assert text(root) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_a_user_may_not_read_is_not_read_for_him(root: Path) -> None:
    path = root / "tmp" / "perf-1.map"
    path.chmod(0o600)
    assert (text(root, USER), text(root, 0), text(root, None)) == (None, "root/tmp", "root/tmp")
    os.chown(path, USER, USER)
    assert text(root, USER) == "root/tmp"
    os.chown(path, 0, 0)
    path.chmod(0o644)
    assert text(root, USER) == "root/tmp"
