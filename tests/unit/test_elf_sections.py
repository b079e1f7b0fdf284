"""Sections of ELF files by name: as readelf has them, and of damaged files."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfrec.formats.elf_sections import NO_CONTENT, read_sections

_LINE = re.compile(r"^ *\[ *\d+\] (\S+) +(\S+) +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sections")
    (folder / "a.c").write_text("int zero[9]; int main(void) { return zero[0]; }\n")
    subprocess.run(["gcc", "-g", "a.c", "-o", "a"], cwd=folder, check=True)
    return folder / "a"


def test_sections_are_those_that_readelf_lists(program: Path) -> None:
    said = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout
    listed = {
        m[1]: tuple(int(word, 16) for word in m.group(3, 4, 5))
        for m in map(_LINE.match, said.splitlines())
        if m and m[2] not in ("NOBITS", "NULL")
    }
    with program.open("rb") as file:
        found = read_sections(file)
    assert {s.name: (s.address, s.offset, s.size) for s in found[1:] if s.kind != NO_CONTENT} == listed
    assert ".debug_line" in listed


@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8)), max_size=8), st.booleans())
def test_damage_leaves_sections_out(program: Path, changes: list[tuple[int, bytes]], short: bool) -> None:
    data = bytearray(program.read_bytes())
    for place, some in changes:
        place %= 64 if short else len(data)  # noqa: PLW2901
        data[place : place + len(some)] = some
    assert len(read_sections(io.BytesIO(data))) < 1 << 16
