"""frame_pointer.py and call_instruction.py: frame pointers are followed where they are certain, and only there."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from bpfrec.bpf.snapshots import Snapshot
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.record.stacks.unwind.call_instruction import LONGEST_CALL, ends_call
from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules
from bpfrec.record.stacks.unwind.frame import UnwindInfo
from bpfrec.record.stacks.unwind.registers import RBP, RIP, RSP, Registers, StackCopy
from bpfrec.record.stacks.unwind.unwinder import UnwindResult, unwind

SP = 0x7000
JIT = UnwindInfo(None, is_jit=True)
KEEPS = UnwindInfo(None, is_jit=True, keeps_frame_pointer=True)
NO_TABLE = UnwindInfo(None, ends_call=True)
DATA_AHEAD = UnwindInfo(None, ends_call=False)
ROOT = UnwindInfo(FunctionRules(CfiRow(RSP, 8, None, {RIP: Rule(How.UNDEFINED)}), RIP, is_signal=False))


def unwound(code: dict[int, UnwindInfo], *words: int, rbp: int, in_call: bool = True) -> UnwindResult:
    copy = StackCopy(SP, Snapshot(1, 0, 1, 1, (0, SP), struct.pack(f"<{len(words)}Q", *words)).word)
    registers = Registers(copy, {RIP: 0x101, RSP: SP, RBP: rbp})
    return unwind(registers, lambda address: code.get(address & ~0xFF), 50, in_call=in_call)


def ips(found: UnwindResult) -> list[int]:
    return [frame.ip for frame in found.frames]


def test_a_frame_pointer_that_skips_a_frame_is_not_followed() -> None:
    """As compiled Java does: the caller's return address is at SP + 8, and rbp is still that of whoever called it."""
    stack = (1, 0x205, 2, SP + 0x40, 0x305, 3, 4, 5)
    found = unwound({0x100: JIT, 0x200: JIT, 0x300: ROOT}, *stack, rbp=SP + 0x18)
    assert (ips(found), found.status) == ([0x101], "no-frame-pointer")


def test_a_frame_pointer_with_nothing_else_below_it_is_followed() -> None:
    found = unwound({0x100: JIT, 0x300: ROOT}, 1, 2, 3, SP + 0x40, 0x305, rbp=SP + 0x18)
    assert (ips(found), found.status) == ([0x101, 0x305], "root")


def test_code_that_is_known_to_keep_one_may_have_old_addresses_in_its_frame() -> None:
    found = unwound({0x100: KEEPS, 0x200: KEEPS, 0x300: ROOT}, 1, 0x205, 2, SP + 0x40, 0x305, rbp=SP + 0x18)
    assert (ips(found), found.status) == ([0x101, 0x305], "root")


@pytest.mark.parametrize(
    ("code", "status"), [(NO_TABLE, "no-unwind-info"), (UnwindInfo(None, damage="broken"), "bad-unwind-info")]
)
def test_programs_without_tables_are_followed_as_carefully(code: UnwindInfo, status: str) -> None:
    skipping = unwound({0x100: code, 0x200: NO_TABLE, 0x300: ROOT}, 0x205, SP + 0x40, 0x305, rbp=SP + 8)
    assert (ips(skipping), skipping.status) == ([0x101], status)
    no_call_there = unwound({0x100: code, 0x200: DATA_AHEAD, 0x300: ROOT}, 0x205, SP + 0x40, 0x305, rbp=SP + 8)
    assert no_call_there.status == "root", "0x205 is behind no call, so that it is no return address"


@pytest.mark.parametrize(
    ("rbp", "stack"),
    [
        (SP - 0x10, (0, 0, 0x305)),
        (SP + 4, (0, 0x305, 0x305)),
        (SP, (0, 0x7265732D676E6963)),
        (SP + 0x9000, (0,)),
        (0, (0x305, 0x305)),
    ],
    ids=["below the stack", "not aligned", "text", "beyond the copy", "zero"],
)
@pytest.mark.parametrize("code", [JIT, NO_TABLE])
def test_a_register_that_is_no_frame_pointer(code: UnwindInfo, rbp: int, stack: tuple[int, ...]) -> None:
    found = unwound({0x100: code, 0x300: ROOT}, *stack, rbp=rbp)
    assert (ips(found), found.status) == ([0x101], "no-frame-pointer" if code.is_jit else "no-unwind-info")


def test_the_end_of_a_chain_is_root_only_if_nothing_is_left() -> None:
    over = unwound({0x100: NO_TABLE, 0x200: NO_TABLE}, 0, 0x205, 7, 8, rbp=SP)
    assert (ips(over), over.status) == ([0x101, 0x205], "root")
    more = unwound({0x100: NO_TABLE, 0x200: NO_TABLE, 0x300: NO_TABLE}, 0, 0x205, 7, 0x305, rbp=SP)
    assert (ips(more), more.status) == ([0x101, 0x205], "no-unwind-info")


@pytest.mark.parametrize(
    ("stack", "expected"),
    [
        ((0x205, 0, SP + 0x40, 0x305), [0x101, 0x205]),
        ((SP + 0x10, 0x205, SP + 0x40, 0x305), [0x101, 0x205]),
        ((9, 9, SP + 0x40, 0x305), [0x101, 0x305]),
    ],
    ids=["at its first instruction", "when rbp is saved", "in its midst"],
)
def test_a_sample_may_find_code_at_its_start(stack: tuple[int, ...], expected: list[int]) -> None:
    code = {0x100: KEEPS, 0x200: ROOT, 0x300: ROOT}
    found = unwound(code, *stack, rbp=SP + 0x10, in_call=False)
    assert ips(found) == expected


CALLS = """
call f; call *%rax; call *%r11; call *(%rax); call *(%r9); call *(%rsp); call *(%rax,%rbx,8); call *8(%rax)
call *8(%rbp); call *8(%rsp); call *8(%r12); call *0x1000(%rax); call *0x1000(%rsp); call *f(%rip)
call *0x1000(,%rax,8)
"""
OTHERS = "nop; ret; jmp f; jmp *%rax; push %rbp; mov %rsp, %rbp; add $8, %rsp; lea 8(%rax), %rcx; inc %ecx; syscall"


def test_call_instructions_as_an_assembler_writes_them(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    lines = [*(part.strip() for part in CALLS.replace("\n", ";").split(";") if part.strip())]
    others = [part.strip() for part in OTHERS.split(";")]
    labels = [f".skip 16, 0x90\n{line}\nl{n}:" for n, line in enumerate([*lines, *others])]
    symbols = "".join(f".globl l{n}\n" for n in range(len(labels)))
    (tmp_path / "a.s").write_text(symbols + ".text\n.globl f\nf:\n" + "\n".join(labels) + "\n.skip 16, 0x90\n")
    subprocess.run(["gcc", "-shared", "-nostdlib", "-Wl,-Bsymbolic", "-o", "a", "a.s"], cwd=tmp_path, check=True)
    with (tmp_path / "a").open("rb") as file:
        elf = ElfFile(file)
        found = {}
        for n, line in enumerate([*lines, *others]):
            address = elf.symbol_address(f"l{n}".encode())
            assert address is not None
            found[line] = ends_call(elf.read_at(address - LONGEST_CALL, LONGEST_CALL))
    assert len(lines) == 15
    assert found == dict.fromkeys(lines, True) | dict.fromkeys(others, False)
