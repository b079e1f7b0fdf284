"""source_lines.py: gdb is the judge of the lines; damaged debug information gives fewer lines and no more."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.formats.symbols.dwarf_lines import SourceLine
from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.symbols.source_lines import Budget, SourceLines

SOURCE = """
#include <algorithm>
#include <functional>
#include <vector>
template <class T> __attribute__((noinline)) T twice(T x)
{
    return x
        + x;
}
int main(int argc, char **)
{
    std::vector<int> v{3, 1, argc};
    std::sort(v.begin(), v.end(), [](int a, int b) {
        return a > b; });
    std::function<int(int)> f = [&](int a) {
        return twice(a) + v[0]; };
    return f(argc) + twice(2);
}
"""
BUILDS = {
    "-O0": ["-O0"],
    "-O2": ["-O2"],
    "dwarf-2": ["-O2", "-gdwarf-2", "-gstrict-dwarf"],
    "dwarf-4": ["-O2", "-gdwarf-4"],
    "dwarf-64": ["-O1", "-gdwarf-5", "-gdwarf64"],
    "lto": ["-O2", "-flto"],
    "compressed": ["-O2", "-gz=zlib"],
    "compressed-zstd": ["-O2"],
    "no-aranges": ["-O2"],
    "no-aranges-4": ["-O2", "-gdwarf-4", "-ffunction-sections"],
    "sections": ["-O2", "-ffunction-sections", "-Wl,--gc-sections"],
}

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("g++", "gdb", "objcopy")), reason="needs g++, gdb and objcopy"
)


def build(folder: Path, name: str) -> Path:
    (folder / "it.cpp").write_text(SOURCE)
    program = folder / "it"
    command = ["g++", "-g", *BUILDS[name], "-o", program, "it.cpp"]
    subprocess.run(command, check=True, timeout=100, cwd=folder)
    if name.startswith("no-aranges"):
        subprocess.run(["objcopy", "--remove-section=.debug_aranges", program], check=True, timeout=30)
    if name == "compressed-zstd":
        subprocess.run(["objcopy", "--compress-debug-sections=zstd", program], check=True, timeout=30)
    return program


def lines(program: Path | bytes, addresses: list[int], budget: int = 1 << 24) -> tuple[dict[int, SourceLine], set[int]]:
    file = io.BytesIO(program if isinstance(program, bytes) else program.read_bytes())
    return SourceLines(ElfFile(file).content).find(addresses, Budget(budget))


def text_addresses(program: Path) -> list[int]:
    with program.open("rb") as file:
        start, size = ElfFile(file).section(".text") or (0, 0)
    return list(range(start, start + size, max(1, size // 700)))


def said_by_gdb(program: Path, addresses: list[int]) -> list[tuple[str, int] | None]:
    commands = program.with_name("commands")
    asked = "".join(f"info line *{address:#x}\n" for address in addresses)
    commands.write_text(f"set debuginfod enabled off\nset filename-display absolute\nset width 0\n{asked}")
    said = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-x", commands, program], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    answers = [line for line in said.splitlines() if re.match(r"Line|No line|Address", line)]
    assert len(answers) == len(addresses), said[:500]
    matches = (re.match(r'Line (\d+) of "(.*)" (?:starts|is at)', line) for line in answers)
    return [(match[2], int(match[1])) if match else None for match in matches]


@pytest.mark.grid
@pytest.mark.parametrize("name", BUILDS)
def test_lines_are_those_of_gdb(tmp_path: Path, name: str) -> None:
    program = build(tmp_path, name)
    addresses = text_addresses(program)
    found, left = lines(program, addresses)
    assert not left
    assert len(found) > len(addresses) // 2, "most of the code has lines"
    for address, expected in zip(addresses, said_by_gdb(program, addresses), strict=True):
        line = found.get(address)
        assert (line and (line.file, line.line)) == expected, f"{address:#x}"


def test_what_is_too_much_to_read_is_left_and_told(tmp_path: Path) -> None:
    program = build(tmp_path, "-O2")
    addresses = text_addresses(program)
    found, left = lines(program, addresses, budget=100)
    assert not found
    assert left == set(addresses)


def test_a_program_without_debug_information_has_no_lines(tmp_path: Path) -> None:
    program = build(tmp_path, "-O2")
    addresses = text_addresses(program)
    subprocess.run(["strip", program], check=True, timeout=30)
    assert lines(program, addresses) == ({}, set())


@pytest.fixture(scope="module", params=["-O2", "dwarf-4", "no-aranges"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    program = build(tmp_path_factory.mktemp("small"), request.param)
    return program.read_bytes(), text_addresses(program)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_debug_information_never_raises(small: tuple[bytes, list[int]], data: st.DataObject) -> None:
    content, addresses = bytearray(small[0]), small[1]
    sections = {s.name: s for s in ElfFile(io.BytesIO(small[0])).sections}
    names = [name for name in sections if name.startswith(".debug_") and "loc" not in name]
    for _ in range(data.draw(st.integers(1, 8))):
        section = sections[data.draw(st.sampled_from(names))]
        # What stands first decides how the rest is read.
        place = data.draw(st.one_of(st.integers(0, min(200, section.size - 1)), st.integers(0, section.size - 1)))
        content[section.offset + place] = data.draw(st.integers(0, 255))
    try:
        found, left = lines(bytes(content), addresses, 1 << 18)
    except NotElfError:
        return
    assert all(line.line > 0 for line in found.values())
    assert found.keys() | left <= set(addresses)


def test_a_compressed_section_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    program = build(tmp_path, "compressed")
    content = bytearray(program.read_bytes())
    section = next(s for s in ElfFile(io.BytesIO(bytes(content))).sections if s.name == ".debug_line")
    content[section.offset + 8 : section.offset + 16] = (1 << 40).to_bytes(8, "little")
    assert lines(bytes(content), text_addresses(program))[0] == {}


def test_decompressing_is_paid_for(tmp_path: Path) -> None:
    program = build(tmp_path, "-O2")
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    for option in (f"--update-section=.debug_line={tmp_path / 'zeros'}", "--compress-debug-sections=zlib"):
        subprocess.run(["objcopy", option, program], check=True, timeout=30)
    addresses = text_addresses(program)
    assert lines(program, addresses, 4000) == ({}, set(addresses)), "in many libraries that would take minutes"
    assert lines(program, addresses, 20_000) == ({}, set())
