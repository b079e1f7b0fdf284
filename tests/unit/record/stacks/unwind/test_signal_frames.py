"""signal_frames.py: trampolines are known by their code, at every address that a stack can have of them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from bpfrec.bpf.snapshots import Snapshot
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.record.stacks.unwind.cfi import How
from bpfrec.record.stacks.unwind.eh_frame import UnwindTable
from bpfrec.record.stacks.unwind.frame import UnwindInfo
from bpfrec.record.stacks.unwind.registers import RBP, RIP, RSP, Registers, StackCopy
from bpfrec.record.stacks.unwind.signal_frames import RULES, trampoline_start
from bpfrec.record.stacks.unwind.unwinder import unwind

SOURCE = """
__asm__(".text\\n.type before, @function\\nbefore: ret\\n.size before, 1\\n"
        "restore: mov $15, %rax\\nsyscall\\n.type behind, @function\\nbehind: nop; ret\\n.size behind, 2\\n");
int main(void) { return 0; }
"""


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> ElfFile:
    """A program with a trampoline that no table and no symbol with a type knows."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("trampoline")
    (folder / "program.c").write_text(SOURCE)
    subprocess.run(["gcc", "-o", folder / "program", folder / "program.c"], check=True, timeout=60)
    subprocess.run(["strip", "--strip-symbol=restore", folder / "program"], check=True, timeout=60)
    return ElfFile((folder / "program").open("rb"))


def address(elf: ElfFile, name: str) -> int:
    said = subprocess.run(["nm", elf._file.name], capture_output=True, text=True, check=True).stdout
    return next(int(line.split()[0], 16) for line in said.splitlines() if line.endswith(f" {name}"))


def test_a_trampoline_is_found_by_its_code(elf: ElfFile) -> None:
    start = address(elf, "before") + 1
    assert address(elf, "behind") == start + 9
    within = [at for at in range(start - 12, start + 20) if trampoline_start(elf.read_at, at) == start]
    assert within == list(range(start - 1, start + 10)), "from where a handler returns to, to where the call is made"
    assert trampoline_start(elf.read_at, start + 20) is None
    table = UnwindTable(elf)
    found = table.find_offset(next(o for o in range(1 << 16) if elf.address_of(o) == start))
    assert found is not None
    assert (found.is_signal, found.row) == (True, RULES)
    symbols = [table.conventional_symbol(at) for at in range(start - 1, start + 10)]
    assert [symbol and symbol.name for symbol in symbols] == [None, *["__restore_rt"] * 10]


def test_where_a_program_begins_is_start(elf: ElfFile) -> None:
    symbol = UnwindTable(elf).conventional_symbol(elf.entry + 3)
    assert symbol is not None
    assert (symbol.name, symbol.address) == ("_start", elf.entry)
    assert UnwindTable(elf).conventional_symbol(address(elf, "main")) is None


def test_the_interrupted_code_has_its_registers() -> None:
    """In rt_sigreturn(): behind the trampoline, the stack pointer at the ucontext that the kernel wrote."""
    sp, context = 0x7000, [0] * 40
    for register, offset in ((RBP, 120), (RSP, 160), (RIP, 168)):
        context[offset // 8] = {RBP: 0x7500, RSP: 0x7400, RIP: 0x300}[register]
    stack = struct.pack("<40Q", *context)
    copy = StackCopy(sp, Snapshot(1, 0, 1, 1, (0, sp), stack).word)
    registers = Registers(copy, {RIP: 0x109, RSP: sp, RBP: 0xBAD})
    table = {0x108: UnwindInfo(UnwindTable.TRAMPOLINE), 0x300: UnwindInfo(None, is_entry=True)}
    found = unwind(registers, table.get, 10, in_call=True)
    assert [(frame.ip, frame.is_return) for frame in found.frames] == [(0x109, True), (0x300, False)]
    assert found.status == "root"
    assert registers.known(RBP) == 0x7500
    assert RULES.rules[RIP].how is How.EXPRESSION


def test_libc_has_the_same_rules() -> None:
    """The table of glibc says of its own trampoline what is assumed of those without a table."""
    libc = next(Path("/").glob("lib/*/libc.so.6"), None)
    if libc is None:
        pytest.skip("no libc.so.6 here")
    elf = ElfFile(libc.open("rb"))
    text = elf.section(".text")
    assert text is not None
    code = elf.read_at(*text)
    at = code.find(b"\x48\xc7\xc0\x0f\0\0\0\x0f\x05")
    assert at > 0
    rules = UnwindTable(elf).find(text[0] + at)
    assert rules is not None
    assert rules.is_signal
    assert rules.row.cfa_expression == RULES.cfa_expression
    assert {n: rules.row.rules[n] for n in RULES.rules} == RULES.rules
