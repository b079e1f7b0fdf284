"""record/stacks/modules.py: which files are held open until a recording is finished, and how many."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from bpfrec.bpf.sideband import Mapping
from bpfrec.record.processes import foreign_files
from bpfrec.record.processes.foreign_files import Place
from bpfrec.record.stacks import modules as under_test
from bpfrec.record.stacks.modules import Modules


def mapping(path: Path) -> Mapping:
    return Mapping(0, os.getpid(), 0x1000, 0x2000, 0, str(path), None, (0, 0), path.stat().st_ino)


def program(path: Path) -> Mapping:
    shutil.copy("/bin/true", path)
    return mapping(path)


def descriptors() -> int:
    """How many files are open; not the sockets to helpers."""
    links = (Path("/proc/self/fd") / number for number in os.listdir("/proc/self/fd"))  # noqa: PTH208
    return sum(not os.path.islink(link) or not os.readlink(link).startswith("socket:") for link in links)  # noqa: PTH114, PTH115


def test_files_without_code_are_not_held(tmp_path: Path) -> None:
    modules, before = Modules(), descriptors()
    for number in range(20):
        path = tmp_path / f"{number}.so"
        path.write_text("no ELF file")
        modules.hold(mapping(path))
        assert modules.file(mapping(path)) is None
    assert (descriptors(), modules.unheld) == (before, 0)
    modules.close()


def test_more_files_than_may_be_open_are_counted(tmp_path: Path) -> None:
    modules, before = Modules(most_files=3), descriptors()
    mappings = [program(tmp_path / str(number)) for number in range(8)]
    for one in (*mappings, *mappings):
        modules.hold(one)
    assert (descriptors() - before, modules.unheld) == (3, 5)
    assert [modules.file(one) is not None for one in mappings] == [True] * 3 + [False] * 5
    modules.close()
    assert descriptors() == before


def test_a_file_known_from_proc_serves_mappings_told_by_build_id(tmp_path: Path) -> None:
    modules = Modules()
    here = program(tmp_path / "program")
    modules.hold(here)
    # In a process that is gone, and whose root folder was another.
    later = Mapping(5, 2**22, 0x5000, 0x6000, 0, "/program", modules.build_id(here), None, None)
    modules.hold(later)
    assert later.build_id is not None
    assert modules.file(later) is modules.file(here) is not None
    modules.close()


def test_files_that_have_been_deleted_take_no_more_room_than_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Path("/bin/true").stat().st_size
    modules, held = Modules(most_bytes=2 * size), []
    mappings = [program(tmp_path / str(number)) for number in range(4)]
    for one in mappings:
        path = Path(one.path)
        with path.open("rb") as file:
            path.unlink()
            # A name that leads to it all the same, as those in map_files do.
            place = Place(f"/proc/{os.getpid()}/fd/{file.fileno()}", "")
            monkeypatch.setattr(foreign_files, "map_file", lambda *_, place=place: place)
            modules.hold(one)
        held.append(modules.file(one) is not None)
    assert (held, modules.unheld) == ([True, True, False, False], 2)
    modules.close()


def test_a_file_that_cannot_be_read_has_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    modules, one, other = Modules(), program(tmp_path / "one"), program(tmp_path / "other")
    with monkeypatch.context() as patch:
        patch.setattr(under_test, "ElfFile", broken)
        modules.hold(one)
        assert modules.unwind_table(one) is None
        assert modules.locate(one, 0x1000) == (None, None)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", broken)
        modules.hold(other)
    assert modules.file(other) is None
    modules.close()


def test_files_that_nobody_has_mapped_lately_are_closed(tmp_path: Path) -> None:
    modules, before = Modules(most_files=2), descriptors()
    one, other, third = (program(tmp_path / name) for name in ("one", "other", "third"))
    modules.hold(one)
    modules.hold(other)
    held = descriptors()
    modules.generation = 1
    modules.hold(other)
    modules.forget(1)
    assert modules.file(one) is None
    assert modules.file(other) is not None
    assert descriptors() == held - 1
    modules.hold(third)
    assert (modules.file(third) is not None, modules.unheld) == (True, 0), "what was closed counts as open"
    modules.close()
    assert descriptors() <= before + 2
