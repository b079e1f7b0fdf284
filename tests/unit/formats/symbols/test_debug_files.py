"""formats/symbols/debug_files.py: the debug file of a build is found wherever it lies, and no other is taken for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stripped_build import Build

from bpfrec.formats.symbols import debug_files
from bpfrec.formats.symbols.debug_files import DebugFolders, linked_file
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.formats.symbols.elf_symbols import Symbol
from bpfrec.formats.symbols.symbolizer import Symbolizer

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("gcc", "objcopy", "strip")), reason="needs gcc, objcopy and strip"
)


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return Build(tmp_path_factory.mktemp("it"))


LAYOUTS: dict[str, Callable[[str], str]] = {
    "dbgsym": lambda i: f".build-id/{i[:2]}/{i[2:]}.debug",
    "sysroot": lambda i: f"usr/lib/debug/.build-id/{i[:2]}/{i[2:]}.debug",
    "build-id": lambda i: f"{i[:2]}/{i[2:]}.debug",
    "build-id-plain": lambda i: f"{i[:2]}/{i[2:]}",
    "debuginfod": lambda i: f"{i}/debuginfo",
    "by-content": lambda _: "some/where/any-name",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_known(it: Build, tmp_path: Path, layout: str) -> None:
    place = tmp_path / LAYOUTS[layout](it.build_id)
    place.parent.mkdir(parents=True)
    shutil.copy(it.debug, place)
    files = list(DebugFolders([tmp_path / "missing", tmp_path]).find(it.build_id))
    assert len(files) == 1
    symbols = Symbolizer([ElfFile(files[0])])
    symbol = symbols.symbol_at(it.hidden)
    assert symbol is not None
    assert symbol.name == "hidden"
    files[0].close()


def test_a_file_of_another_build_is_not_taken_for_its_name(it: Build, tmp_path: Path) -> None:
    other = Build(tmp_path / "other", 3)
    folder = tmp_path / "symbols"
    for layout in ("dbgsym", "debuginfod"):
        place = folder / LAYOUTS[layout](it.build_id)
        place.parent.mkdir(parents=True)
        shutil.copy(other.debug, place)
    assert list(DebugFolders([folder]).find(it.build_id)) == []
    (shutil.copy(it.program, tmp_path / "it"), shutil.copy(other.debug, tmp_path / "it.debug"))
    with (tmp_path / "it").open("rb") as file:
        assert linked_file(ElfFile(file), tmp_path / "it") is None


@pytest.mark.parametrize("build_id", ["../../../etc/passwd", "ab/../../x", "", "ABCD", "a" * 4000, "ab\0cd", "zz" * 20])
def test_what_is_no_build_id_leads_nowhere(tmp_path: Path, build_id: str) -> None:
    assert list(DebugFolders([tmp_path]).find(build_id)) == []


def test_what_is_no_file_is_passed_over(it: Build, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "text").write_text("not an ELF file")
    (tmp_path / "it").write_bytes(it.program.read_bytes())
    files = list(DebugFolders([tmp_path]).find(it.build_id))
    assert [file.name for file in files] != []
    for file in files:
        file.close()


def test_files_are_looked_at_once_and_not_read_whole(
    it: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = it.program.read_bytes()
    for number in range(300):
        (tmp_path / str(number)).write_bytes(content + bytes(1 << 16))
    opened, read = [], 0

    class Counting:
        def __init__(self, file: object) -> None:
            self.file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def read(self, size: int = -1) -> bytes:
            nonlocal read
            data = self.file.read(size)  # type: ignore[attr-defined]
            read += len(data)
            return data

    genuine = debug_files.open_regular

    def counted(path: Path) -> object:
        file = genuine(path)
        if file is not None:
            opened.append(path)
        return file and Counting(file)

    monkeypatch.setattr(debug_files, "open_regular", counted)
    folders = DebugFolders([tmp_path])
    for byte in range(50):
        assert list(folders.find(f"{byte:02x}" * 20)) == []
    assert len(opened) == 300, "every question reads the folder again"
    assert read < 300 * 4096, "files are read beyond their headers"


def test_a_debug_file_beside_the_program_is_found_by_its_link(it: Build, tmp_path: Path) -> None:
    shutil.copy(it.program, tmp_path / "it")
    with (tmp_path / "it").open("rb") as program:
        elf = ElfFile(program)
        for place in (
            tmp_path / "it.debug",
            tmp_path / ".debug" / "it.debug",
            tmp_path / f"sys{tmp_path}" / "it.debug",
        ):
            assert linked_file(elf, tmp_path / "it", tmp_path / "sys") is None
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(it.debug, place)
            found = linked_file(elf, tmp_path / "it", tmp_path / "sys")
            assert found is not None
            found.close()
            place.unlink()


def test_without_a_build_id_the_checksum_decides(tmp_path: Path) -> None:
    one, other = Build(tmp_path / "1", 2, "-Wl,--build-id=none"), Build(tmp_path / "2", 3, "-Wl,--build-id=none")
    with one.program.open("rb") as program:
        elf = ElfFile(program)
        assert elf.build_id is None
        found = linked_file(elf, one.program)
        assert found is not None
        found.close()
        shutil.copy(other.debug, one.debug)
        assert linked_file(elf, one.program) is None


def test_symbols_packed_into_the_program_are_read(tmp_path: Path) -> None:
    it = Build(tmp_path / "it")
    shutil.copy(it.debug, tmp_path / "mini")
    subprocess.run(["objcopy", "-S", "--keep-symbol=hidden", tmp_path / "mini"], check=True, timeout=30)
    subprocess.run(["xz", tmp_path / "mini"], check=True, timeout=30)
    packed = f".gnu_debugdata={tmp_path / 'mini.xz'}"
    with it.program.open("rb") as file:
        assert _name(ElfFile(file), it.hidden) is None, "stripped, it has no name for it"
    subprocess.run(["objcopy", "--add-section", packed, it.program], check=True, timeout=30)
    with it.program.open("rb") as file:
        assert _name(ElfFile(file), it.hidden) == "hidden"


def _name(elf: ElfFile, address: int) -> str | None:
    symbol: Symbol | None = Symbolizer([elf]).symbol_at(address)
    return symbol and symbol.name
