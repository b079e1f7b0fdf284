"""elf.py: nm and readelf are the judges; damaged and hostile files give answers or NotElfError, never more."""

from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.symbols.symbolizer import Symbolizer

SOURCE = """
int data = 5;
__attribute__((noinline)) static int local_function(int n) { return n * data + 1; }
__attribute__((noinline)) int global_function(int n) { return local_function(n) + data; }
__asm__(".text\\n.globl no_size\\n.type no_size, @function\\nno_size: nop; nop; nop; ret\\n");
int main(int argc, char **argv) { (void)argv; return global_function(argc); }
"""
BUILDS = {
    "pie": ["-pie", "-fPIE"],
    "no-pie": ["-no-pie"],
    "stripped": ["-pie", "-fPIE", "-rdynamic", "-s"],
    "shifted": ["-no-pie", "-Wl,-Ttext-segment=0x7000000"],
}

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("gcc", "nm", "readelf")), reason="needs gcc, nm and readelf"
)


@pytest.fixture(scope="module", params=[*BUILDS, "libc"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "libc":
        libc = next(Path("/").glob("lib/*/libc.so.6"), None)
        return libc or pytest.skip("no libc.so.6 here")
    return build(tmp_path_factory.mktemp("elf"), *BUILDS[request.param])


def build(folder: Path, *flags: str) -> Path:
    (folder / "program.c").write_text(SOURCE)
    command = ["gcc", "-O1", "-Wl,--build-id", *flags, "-o", folder / "program", folder / "program.c"]
    subprocess.run(command, check=True, timeout=60)
    return folder / "program"


def said_by(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def functions(program: Path) -> dict[int, tuple[int, set[str]]]:
    """Size and names of the functions that state a size, by address, as nm prints them."""
    found: dict[int, tuple[int, set[str]]] = {}
    for table in ([], ["-D"]):
        for line in said_by("nm", "-S", "--defined-only", *table, program).splitlines():
            match = re.match(r"([0-9a-f]+) ([0-9a-f]+) [tTwWi] ([^@]+)", line)
            if match:
                names = found.setdefault(int(match[1], 16), (int(match[2], 16), set()))[1]
                names.add(match[3])
    return found


def test_functions_are_those_of_nm(program: Path) -> None:
    known = functions(program)
    assert known, f"nm names no function in {program}"
    with program.open("rb") as file:
        read = Symbolizer([ElfFile(file)])
        for address, (size, names) in list(known.items())[:400]:
            for inside in (address, address + size - 1):
                symbol = read.symbol_at(inside)
                # A function may hold another entry point; then that is the nearer name.
                assert symbol is not None, f"{inside:#x} is in {names}, and no function was found"
                assert address <= symbol.address <= inside < symbol.address + max(symbol.size, 1)
                assert symbol.name in known[symbol.address][1], f"{inside:#x} is in {names}, found {symbol}"


def test_build_id_is_that_of_readelf(program: Path) -> None:
    expected = re.search(r"Build ID: ([0-9a-f]+)", said_by("readelf", "-n", program))
    with program.open("rb") as file:
        assert ElfFile(file).build_id == (expected[1] if expected else None)


def test_addresses_are_those_of_the_segments(program: Path) -> None:
    segments = re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+\s+0x(\w+)", said_by("readelf", "-lW", program))
    assert segments, "readelf shows no segments"
    with program.open("rb") as file:
        read = ElfFile(file)
        for offset, address, size in (tuple(int(n, 16) for n in segment) for segment in segments):
            assert read.address_of(offset) == address
            assert read.address_of(offset + size - 1) == address + size - 1
        assert read.address_of(1 << 50) is None


def test_data_is_no_function(tmp_path: Path) -> None:
    program = build(tmp_path, "-no-pie")
    address = next(int(line.split()[0], 16) for line in said_by("nm", program).splitlines() if line.endswith(" data"))
    with program.open("rb") as file:
        assert Symbolizer([ElfFile(file)]).symbol_at(address) is None, "a name covers what it does not own"


def test_functions_without_a_size_reach_to_the_next_one(tmp_path: Path) -> None:
    program = build(tmp_path, "-no-pie")
    address = next(
        int(line.split()[0], 16) for line in said_by("nm", program).splitlines() if line.endswith(" no_size")
    )
    with program.open("rb") as file:
        read = Symbolizer([ElfFile(file)])
        symbol = read.symbol_at(address + 2)
        assert symbol is not None
        assert (symbol.name, symbol.address) == ("no_size", address)
        top = max(start + size for start, (size, _) in functions(program).items())
        assert read.symbol_at(top + 0x10_0000) is None, "the last function does not reach to the end of memory"


def test_functions_without_a_size_name_nothing_where_the_next_one_need_not_be_known(tmp_path: Path) -> None:
    program = build(tmp_path, "-no-pie", "-rdynamic")
    address = next(
        int(line.split()[0], 16) for line in said_by("nm", program).splitlines() if line.endswith(" no_size")
    )
    subprocess.run(["strip", program], check=True, timeout=30)
    with program.open("rb") as file:
        symbols = Symbolizer([ElfFile(file)])
        assert symbols.symbol_at(address + 2) is None, "static functions that were stripped may stand behind it"


def test_of_several_names_the_last_without_its_version(tmp_path: Path) -> None:
    (tmp_path / "it.c").write_text(
        '__asm__(".symver own_first, first@@V1, remove");\n'
        "int own_first(int n) { return n + 1; }\n"
        "int second(int n) { return n + 2; }\n"
        'int _second(int n) __attribute__((alias("second")));\n'
        'int a_second(int n) __attribute__((alias("second")));\n'
    )
    (tmp_path / "versions").write_text("V1 { global: *; };\n")
    library = tmp_path / "it.so"
    options = ["-shared", "-fPIC", "-Wl,--version-script=versions"]
    subprocess.run(["gcc", *options, "it.c", "-o", library], cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", library], capture_output=True, text=True, check=True).stdout.splitlines()
    places = {name: int(value, 16) for value, _, name in (line.split() for line in listed if " T " in line)}
    assert "first@@V1" in places
    with library.open("rb") as file:
        names = Symbolizer([ElfFile(file)])
        assert [names.symbol_at(places[name]).name for name in ("first@@V1", "second")] == ["first", "second"]


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\n" * 20, b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_elf_file_is_refused(content: bytes) -> None:
    with pytest.raises(NotElfError):
        ElfFile(io.BytesIO(content))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return build(tmp_path_factory.mktemp("small"), "-no-pie").read_bytes()


def ask_everything(content: bytes) -> None:
    try:
        read = ElfFile(io.BytesIO(content))
    except NotElfError:
        return
    for offset in (0, 0x1000, 0x1130, len(content)):
        address = read.address_of(offset)
        if address is not None:
            assert address < 1 << 63, "an address that no column can hold"
            symbol = Symbolizer([read]).symbol_at(address)
            assert symbol is None or (symbol.address <= address and symbol.size < 1 << 63)


@settings(max_examples=60)
@given(st.data())
def test_damaged_headers_and_tables_never_raise(small: bytes, data: st.DataObject) -> None:
    content = bytearray(small)
    sections = int.from_bytes(content[40:48], "little")
    place = st.one_of(st.integers(0, 64 + 56 * 13), st.integers(sections, len(content) - 1))
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=6)):
        content[at] = value
    ask_everything(bytes(content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]))


def test_absurd_sizes_are_not_believed(small: bytes) -> None:
    sections = int.from_bytes(small[40:48], "little")
    content = bytearray(small)
    for header in range(sections, len(content) - 63, 64):
        content[header + 32 : header + 40] = b"\xff" * 8
    ask_everything(bytes(content))


def forged(path: Path, sections: int, *fields: int, header: bytes = b"") -> Path:
    """A sparse ELF file of 300 MiB with sections that are all alike: type, flags, address, offset, size, link."""
    start = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 64 + len(header), 0, 64, 56, 0, 64, sections, 0
    )
    kind, flags, address, offset, size, link = fields
    section = struct.pack("<IIQQQQIIQQ", 0, kind, flags, address, offset, size, link, 0, 1, 24)
    with path.open("wb") as file:
        file.write(start + header + section * sections)
        file.truncate(300 << 20)
    return path


@pytest.mark.parametrize(
    "fields",
    [(2, 0, 0, 0, 24 << 20, 0), (11, 0, 0, 64, 280 << 20, 1), (7, 0, 0, 0, 1 << 16, 0), (2, 0, 1 << 63, 0, 1 << 62, 3)],
    ids=["symbols", "exported", "notes", "absurd"],
)
def test_the_same_bytes_many_times_over_are_not_read_each_time(tmp_path: Path, fields: tuple[int, ...]) -> None:
    with forged(tmp_path / "it", 60_000, *fields).open("rb") as file:
        read = ElfFile(file)
        assert read.build_id is None
        assert Symbolizer([read]).symbol_at(0x1000) is None


def with_names(path: Path, size: int) -> Path:
    """A sparse ELF file with one function, and a string table of ``size`` bytes with its name at the end."""
    start = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 0, 128, 0, 64, 56, 0, 64, 3, 0)
    symbol = struct.pack("<IBBHQQ", size - 7, 2, 0, 1, 0x1000, 0x100)
    code = struct.pack("<IIQQQQIIQQ", 0, 1, 4, 0x1000, 0, 0x1000, 0, 0, 1, 0)
    symbols = struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, 64, len(symbol), 2, 0, 8, 24)
    names = struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, 4096, size, 0, 0, 1, 0)
    with path.open("wb") as file:
        file.write((start + symbol).ljust(128, b"\0"))
        file.write(symbols + code + names)
        file.seek(4096 + size - 7)
        file.write(b"needle\0")
    return path


def test_names_are_read_one_by_one(tmp_path: Path) -> None:
    path = with_names(tmp_path / "it", 255 << 20)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            symbols = [Symbolizer([ElfFile(file)]) for _ in range(8)]
            found = [read.symbol_at(0x1010) for read in symbols]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [symbol and symbol.name for symbol in found] == ["needle"] * 8
    assert peak < 8 << 20, "whole string tables are kept"


def test_a_symbol_is_found_by_its_name(tmp_path: Path, program: Path) -> None:
    with with_names(tmp_path / "it", 3 << 20).open("rb") as file:
        assert ElfFile(file).symbol_address(b"needle") == 0x1000
        assert ElfFile(file).symbol_address(b"needl") is None
    with program.open("rb") as file:
        names = {name: at for at, (_, some) in functions(program).items() for name in some if "@" not in name}
        read = ElfFile(file)
        assert {name: read.symbol_address(name.encode()) for name in list(names)[:40]} == dict(list(names.items())[:40])


@pytest.mark.parametrize("size", [0, 1, 8, 20, 64, 65, 200, 1 << 31])
def test_build_ids_of_any_size(tmp_path: Path, size: int) -> None:
    identity = bytes(range(1, 201))[:size] if size < 1000 else b"x"
    note = struct.pack("<III4s", 4, size, 3, b"GNU\0") + identity
    path = forged(tmp_path / "it", 1, 7, 0, 0, 64, len(note), 0, header=note + bytes(-len(note) % 8))
    with path.open("rb") as file:
        assert ElfFile(file).build_id == (identity.hex() if 0 < size <= 64 else None)
