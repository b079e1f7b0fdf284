"""bpf/program_cache.py: what is found is what was kept, and nothing is found that others could have put there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfrec.bpf import program_cache
from bpfrec.bpf.compiled import CompiledProgram
from bpfrec.bpf.maps import MapDefinition
from bpfrec.bpf.program_cache import Origin, ProgramCache, cache_of_environment
from bpfrec.formats.errors import BpfrecError

PROGRAM = CompiledProgram((MapDefinition("slots", 2, 4, 520, 32768, 0),), {"on_it": b"\x95" + bytes(7)}, "GPL")
OTHER = CompiledProgram((), {}, "GPL")
KEY = "ab" * 32


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "libbcc.so.0.26"
    path.write_bytes(b"machine code")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path, library: Path) -> ProgramCache:
    """A cache with PROGRAM in it."""
    found = ProgramCache(folder, os.geteuid())
    found.put(KEY, PROGRAM, Origin.of(str(library)))
    return found


def file_in(folder: Path) -> Path:
    [file] = folder.iterdir()
    return file


def test_what_was_kept_is_found(cache: ProgramCache, folder: Path) -> None:
    assert cache.get(KEY) == PROGRAM
    assert cache.get("cd" * 32) is None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file_in(folder).stat().st_mode & 0o777 == 0o600


def test_another_library_makes_it_stale(cache: ProgramCache, library: Path) -> None:
    os.utime(library, ns=(1, 1))
    assert cache.get(KEY) is None
    library.unlink()
    assert cache.get(KEY) is None


def to_link(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


def to_second_name(file: Path) -> None:
    (file.parent.parent / "elsewhere").hardlink_to(file)


def to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def to_another_key(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data.replace(KEY.encode(), b"ef" * 32))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes().replace(b"slots", b"slotz")),
        lambda file: file.chmod(0o620),
        lambda file: file.chmod(0o602),
        lambda file: file.parent.chmod(0o770),
        lambda file: file.parent.chmod(0o701),
        to_link,
        to_second_name,
        to_pipe,
        to_another_key,
    ],
)
def test_what_is_damaged_or_open_to_others_is_not_there(
    cache: ProgramCache, folder: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(file_in(folder))
    assert cache.get(KEY) is None


def test_a_folder_that_is_a_link_is_none(cache: ProgramCache, folder: Path) -> None:
    moved = folder.rename(folder.parent / "moved")
    folder.symlink_to(moved)
    assert cache.get(KEY) is None
    cache.put("cd" * 32, OTHER, Origin("/x", 0, 0))
    assert len(list(moved.iterdir())) == 1


def test_a_folder_in_one_that_others_write_is_none(cache: ProgramCache, folder: Path) -> None:
    folder.parent.chmod(0o777)
    assert cache.get(KEY) is None
    folder.parent.chmod(0o1777)
    assert cache.get(KEY) == PROGRAM, "where the sticky bit is set, only the owner may rename it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_of_others_are_not_there(cache: ProgramCache, folder: Path) -> None:
    file = file_in(folder)
    os.chown(file, 12345, 0)
    assert cache.get(KEY) is None
    os.chown(file, 0, 0)
    assert cache.get(KEY) == PROGRAM
    os.chown(folder, 12345, 0)
    assert cache.get(KEY) is None
    os.chown(folder, 0, 0)
    os.chown(folder.parent, 12345, 0)
    assert cache.get(KEY) is None


@pytest.mark.usefixtures("cache")
def test_only_its_owner_uses_it(folder: Path, library: Path) -> None:
    another = ProgramCache(folder, os.geteuid() + 1)
    assert another.get(KEY) is None
    another.put("cd" * 32, OTHER, Origin.of(str(library)))
    assert len(list(folder.iterdir())) == 1


def test_what_cannot_be_written_is_not_kept(tmp_path: Path, library: Path) -> None:
    cache = ProgramCache(tmp_path / "missing" / "cache", os.geteuid())
    cache.put(KEY, PROGRAM, Origin.of(str(library)))
    assert cache.get(KEY) is None


def test_the_newest_programs_are_kept(
    cache: ProgramCache, folder: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_cache, "_MOST_PROGRAMS", 2)
    os.utime(file_in(folder), ns=(1, 1))
    for key in ("cd" * 32, "ef" * 32):
        cache.put(key, OTHER, Origin.of(str(library)))
    assert cache.get(KEY) is None
    assert [cache.get(key) for key in ("cd" * 32, "ef" * 32)] == [OTHER, OTHER]


def test_a_cache_that_is_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(program_cache.VARIABLE, "off")
    cache = cache_of_environment()
    cache.put(KEY, PROGRAM, Origin.of(str(library)))
    assert cache.get(KEY) is None
    assert list(tmp_path.iterdir()) == [library]


@pytest.mark.parametrize("named", ["on", "cache", "/var/../tmp/x"])
def test_a_cache_that_is_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv(program_cache.VARIABLE, named)
    with pytest.raises(BpfrecError, match=program_cache.VARIABLE):
        cache_of_environment()
