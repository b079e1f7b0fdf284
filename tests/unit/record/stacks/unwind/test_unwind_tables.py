"""record/unwind: numbers, expressions and tables, read as binutils reads them; damage costs little and is told."""

from __future__ import annotations

import contextlib
import io
import itertools
import random
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.record.stacks.unwind.cfi import How, parse_cie, row_at
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules, UnwindTable
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError, Cursor
from bpfrec.record.stacks.unwind.expression import Unreadable, evaluate

LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
REGISTERS = [
    "rax",
    "rdx",
    "rcx",
    "rbx",
    "rsi",
    "rdi",
    "rbp",
    "rsp",
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "ra",
]
SOME_SECONDS = 20


def uleb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def sleb(value: int) -> bytes:
    out = bytearray()
    while not -0x40 <= value < 0x40:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value & 0x7F])


@given(st.integers(0, MASK), st.integers(-(1 << 63), (1 << 63) - 1))
def test_numbers_of_any_length(unsigned: int, signed: int) -> None:
    cursor = Cursor(uleb(unsigned) + sleb(signed))
    assert (cursor.uleb(), cursor.sleb()) == (unsigned, signed)
    assert not cursor, "more or less was read than a number takes"


def test_a_number_without_an_end_is_damage() -> None:
    for read in (Cursor.uleb, Cursor.sleb):
        with pytest.raises(BadUnwindInfoError):
            read(Cursor(b"\xff" * 64))
        with pytest.raises(BadUnwindInfoError):
            read(Cursor(b"\xff"))


@pytest.mark.parametrize(
    ("encoding", "data", "value"),
    [
        (0x00, struct.pack("<Q", 77), 77),
        (0x1B, struct.pack("<i", -16), 0x1000 - 16),
        (0x3B, struct.pack("<i", 16), 0x2000 + 16),
        (0x01, uleb(300), 300),
    ],
)
def test_pointers(encoding: int, data: bytes, value: int) -> None:
    assert Cursor(data, 0, 0x1000).pointer(encoding, 0x2000) == value


def nothing(*_: int) -> None:
    return None


def computed(*operations: int, registers: dict[int, int] | None = None, initial: int | None = None) -> int:
    return evaluate(bytes(operations), (registers or {}).get, lambda address, size: address + size, initial)


def test_expressions() -> None:
    # The one of every PLT entry: rsp + 8 + ((rip & 15) >= 11) << 3
    plt = (0x77, 8, 0x80, 0, 0x3F, 0x1A, 0x3B, 0x2A, 0x33, 0x24, 0x22)
    assert computed(*plt, registers={7: 1000, 16: 0x4010}) == 1008
    assert computed(*plt, registers={7: 1000, 16: 0x401B}) == 1016
    assert computed(0x08, 200, 0x1F, registers={}) == -200 & MASK
    assert computed(0x06, initial=100) == 108, "what is at the address on the stack"
    assert computed(0x31, 0x12, 0x22) == 2, "1 dup plus"
    assert computed(0x31, 0x28, 1, 0, 0x35, 0x37) == 7, "a branch that is taken leaves lit5 out"
    with pytest.raises(Unreadable):
        computed(0x77, 8)
    with pytest.raises(Unreadable):
        evaluate(b"\x31\x06", nothing, nothing)


@pytest.mark.parametrize(
    "expression",
    [
        b"",
        b"\x22",
        b"\x2f\xfd\xff",
        b"\x31\x12" + b"\x12" * 100,
        b"\x31\x30\x1b",
        b"\xe0",
        b"\x31\x94\x03",
        b"\x2f\x80\x80",
    ],
    ids=repr,
)
def test_expressions_that_are_none(expression: bytes) -> None:
    with pytest.raises(BadUnwindInfoError):
        evaluate(expression, nothing, nothing)


@given(st.binary(max_size=60))
def test_any_expression_ends(expression: bytes) -> None:
    with contextlib.suppress(BadUnwindInfoError, Unreadable):
        assert 0 <= evaluate(expression, lambda n: n, lambda a, _s: a) <= MASK


CIE = b"\1zR\0\1\x78\x10\1\x1b" + b"\x0c\7\x08\x90\1"


def test_rules_of_a_function_that_pushes_rbx() -> None:
    cie = parse_cie(CIE, 0)
    program = b"\x41\x0e\x10\x83\x02\x44\x0a\x0e\x08\xc3\x41\x0b"
    before, pushed, popped, again = (row_at(cie, program, 0x100, 0x100 + at) for at in (0, 1, 5, 6))
    assert (before.cfa_register, before.cfa_offset, before.rules.keys()) == (7, 8, {16})
    assert (pushed.cfa_offset, pushed.rules[3].how, pushed.rules[3].value) == (16, How.OFFSET, -16)
    assert (popped.cfa_offset, 3 in popped.rules) == (8, False)
    assert again == pushed, "the remembered state was not restored"


@pytest.mark.parametrize("program", [b"\x0b", b"\x0a" * 1000, b"\x01", b"\x3f", b"\x0f\x7f\0", b"\x0c\x80"], ids=repr)
def test_programs_that_are_none(program: bytes) -> None:
    with pytest.raises(BadUnwindInfoError):
        row_at(parse_cie(CIE, 0), program, 0, 0)


@given(st.binary(max_size=80))
def test_any_program_ends(program: bytes) -> None:
    with contextlib.suppress(BadUnwindInfoError):
        row_at(parse_cie(CIE, 0), program, 0, 50)


def spelled(found: FunctionRules | None, columns: list[str]) -> list[str]:
    """A row as readelf prints it."""
    assert found is not None
    row = found.row
    cfa = "exp" if row.cfa_expression is not None else f"{REGISTERS[row.cfa_register]}{row.cfa_offset:+d}"
    out = [cfa]
    for name in columns[2:]:
        rule = row.rules.get(REGISTERS.index(name))
        match rule.how if rule else None:
            case None | How.UNDEFINED | How.SAME:
                out.append("u")
            case How.OFFSET:
                assert rule is not None
                out.append(f"c{rule.value:+d}")
            case How.EXPRESSION:
                out.append("exp")
            case How.VALUE_EXPRESSION:
                out.append("vexp")
            case _:
                out.append("?")
    return out


def readelf_rows(file: Path) -> list[tuple[int, list[str], list[str]]]:
    """Address, columns and cells of every row of every function."""
    said = subprocess.run(
        ["readelf", "--debug-dump=frames-interp", file], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    rows: list[tuple[int, list[str], list[str]]] = []
    columns: list[str] = []
    for block in said.split("\n\n"):
        function = " FDE " in block
        for line in block.splitlines():
            words = line.split()
            if line.startswith("   LOC"):
                columns = words
            elif function and re.fullmatch(r"[0-9a-f]{16}", words[0] if words else ""):
                rows.append((int(words[0], 16), columns, ["u" if w == "s" else w for w in words[1:]]))
    return rows


@pytest.mark.skipif(not LIBC.exists() or not shutil.which("readelf"), reason="no libc or readelf here to compare with")
def test_every_row_of_libc_is_as_readelf_has_it() -> None:
    with LIBC.open("rb") as file:
        table = UnwindTable(ElfFile(file))
        rows = readelf_rows(LIBC)
        assert len(rows) > 10_000
        # Where a row has no width, the next one holds; readelf names registers by what it adds, as in (rbx).
        ends = [later[0] for later in rows[1:]] + [0]
        compared = 0
        for (address, columns, cells), end in zip(rows, ends, strict=True):
            if end == address or any("r" in cell for cell in cells[1:]):
                continue
            assert spelled(table.find(address), columns) == cells, hex(address)
            compared += 1
        assert compared > len(rows) * 0.99


@pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")
def test_a_table_without_an_index_is_read_whole(tmp_path: Path) -> None:
    source = tmp_path / "it.c"
    source.write_text("int f(int a) { return a ? f(a - 1) + 1 : 0; } int main(int c, char **v) { return f(c); }")
    for name, flags in (("with", []), ("without", ["-Wl,--no-eh-frame-hdr"])):
        subprocess.run(["gcc", "-O1", "-static", *flags, source, "-o", tmp_path / name], check=True, timeout=60)
    path = tmp_path / "without"
    with path.open("rb") as file:
        elf = ElfFile(file)
        assert elf.unwind_index is None, "the linker made an index that it was told not to make"
        table = UnwindTable(elf)
        rows = readelf_rows(path)
        known = [row for row in rows if not any("r" in cell for cell in row[2][1:])]
        for (address, columns, cells), later in itertools.pairwise(known):
            if later[0] != address:
                assert spelled(table.find(address), columns) == cells, hex(address)


@pytest.fixture(scope="module")
def small_program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if not shutil.which("gcc"):
        pytest.skip("no gcc")
    folder = tmp_path_factory.mktemp("small")
    (folder / "it.c").write_text(
        "int f(int a) { return a ? f(a - 1) + 1 : 0; } int main(int c, char **v) { return f(c); }"
    )
    subprocess.run(["gcc", "-O2", folder / "it.c", "-o", folder / "it"], check=True, timeout=60)
    return (folder / "it").read_bytes()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 32))
def test_damaged_files_give_rows_or_say_why(small_program: bytes, seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(small_program)
    elf = ElfFile(io.BytesIO(small_program))
    assert elf.unwind_index is not None
    index, size = elf.unwind_index
    for _ in range(chance.randint(1, 20)):
        # In the tables and in the headers, where it matters.
        at = chance.choice([chance.randrange(0x200), index + chance.randrange(size + 400)])
        data[at] = chance.randrange(256)
    begin = time.monotonic()
    try:
        table = UnwindTable(ElfFile(io.BytesIO(bytes(data))))
    except NotElfError:
        return
    for address in range(0x1000, 0x1200, 7):
        try:
            table.find(address)
        except BadUnwindInfoError:
            continue
    assert time.monotonic() - begin < SOME_SECONDS
