"""record/processes/foreign_files.py: files of others are opened as far as they themselves could, and no further."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfrec.record.processes import foreign_files
from bpfrec.record.processes.foreign_files import Place, Wanted, open_local, open_mapped
from bpfrec.record.processes.procfs import NOBODY, Reader

USER = 65534
ROOT = Reader(0, 0, ())
ANY = Wanted(None, None)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with ``/tmp``, and a secret beside it."""
    (tmp_path / "root" / "tmp").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for folder in ("outside", "root/tmp"):
        (tmp_path / folder / "perf-1.map").write_text(folder)
    return tmp_path / "root"


def content(descriptor: int | None) -> str | None:
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode()


def text(root: Path, uid: int = 0, folder: str = "tmp") -> str | None:
    return content(open_local(str(root), folder, "perf-1.map", Reader(uid, uid, ()))[1])


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
    path = root / "tmp" / "perf-1.map"
    for make in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")):
        path.unlink()
        make(path)
        assert text(root) is None
        assert open_mapped([Place(str(root), "tmp/perf-1.map")], ANY, ROOT, 0) == (None, None)
        path.rmdir() if path.is_dir() else path.unlink()
        path.touch()


@needs_root
def test_what_a_user_may_not_read_is_not_read_for_him(root: Path) -> None:
    path = root / "tmp" / "perf-1.map"
    path.chmod(0o600)
    assert (text(root, USER), text(root, 0)) == (None, "root/tmp")
    os.chown(path, USER, USER)
    assert text(root, USER) == "root/tmp"
    os.chown(path, 0, 0)
    path.chmod(0o644)
    assert text(root, USER) == "root/tmp"


@needs_root
def test_a_mapped_file_is_read_as_its_user_may(root: Path) -> None:
    path = root / "tmp" / "perf-1.map"
    here = [Place(str(path), "")]

    def read(reader: Reader, places: list[Place] = here) -> tuple[str | None, str | None]:
        failure, descriptor = open_mapped(places, ANY, reader, 0)
        return failure, content(descriptor)

    path.chmod(0o711)
    assert read(NOBODY) == (foreign_files.REFUSED, None), "it may be executed, and not read"
    assert read(ROOT) == ("", "root/tmp")
    path.chmod(0o640)
    os.chown(path, 0, 4711)
    assert read(Reader(1000, 1000, (7, 4711))) == ("", "root/tmp")
    assert read(Reader(1000, 1000, (7,))) == (foreign_files.REFUSED, None)
    path.chmod(0o644)
    (root / "tmp").chmod(0o700)
    below = [Place(str(root), "tmp/perf-1.map")]
    assert read(NOBODY, below) == (None, None), "the folder is not its user's either"
    assert read(ROOT, below) == ("", "root/tmp")
    assert os.geteuid() == 0
    assert os.getegid() == 0


@needs_root
def test_of_a_process_that_has_gone_what_all_may_read_is_read_and_no_link_followed(root: Path) -> None:
    path, below = root / "tmp" / "perf-1.map", [Place(str(root), "tmp/perf-1.map")]
    (root / "tmp").chmod(0o700)
    failure, found = open_mapped(below, ANY, None, 0)
    assert (failure, content(found)) == ("", "root/tmp"), "it may have been in its user's own folder"
    path.chmod(0o640)
    assert open_mapped(below, ANY, None, 0) == (None, None)
    assert open_local(str(root), "tmp", "perf-1.map", None) == (None, None)
    path.chmod(0o644)
    (root / "link").symlink_to("tmp")
    assert open_mapped([Place(str(root), "link/perf-1.map")], ANY, None, 0) == (None, None)


def test_a_link_in_a_mapped_path_stays_in_the_root(root: Path) -> None:
    (root / "lib.so").symlink_to(root.parent / "outside" / "perf-1.map")
    assert open_mapped([Place(str(root), "lib.so")], ANY, ROOT, 0) == (None, None)


def test_what_is_on_a_file_system_that_may_hang_is_copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_files, "_is_local", lambda _: False)
    path = root / "tmp" / "perf-1.map"
    inode = Wanted(None, path.stat().st_ino)
    failure, copy = open_mapped([Place(str(path), "")], inode, ROOT, 8)
    path.write_text("changed!")
    assert (failure, content(copy)) == ("", "root/tmp"), "what is read later is what was there then"
    assert open_mapped([Place(str(path), "")], inode, ROOT, 7) == (foreign_files.TOO_LARGE, None)
    assert open_mapped([Place("/dev", "zero")], ANY, ROOT, 1 << 20) == (None, None)
    assert text(root) is None, "a perf map is looked at again and again"


def test_another_file_is_not_the_mapped_one(root: Path) -> None:
    place = Place(str(root), "tmp/perf-1.map")
    assert open_mapped([place], Wanted(None, 1), ROOT, 0) == (None, None)
    assert open_mapped([place], Wanted("00" * 20, None), ROOT, 0) == (None, None)
    other = Place(str(root.parent), "outside/perf-1.map")
    inode = (root.parent / "outside" / "perf-1.map").stat().st_ino
    failure, found = open_mapped([place, other], Wanted(None, inode), ROOT, 0)
    assert (failure, content(found)) == ("", "outside")


def test_nothing_is_left_open(root: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for place in (Place(str(root), "tmp"), Place(str(root), "nothing"), Place("/nowhere", "x"), Place("/dev", "null")):
        assert open_mapped([place], Wanted("ab", 1), NOBODY, 0) == (None, None)
    assert open_local(str(root), "tmp", "nothing", NOBODY) == (None, None)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
