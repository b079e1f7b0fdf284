"""unwinder.py: from frame to frame, over made-up code; how unwinding ends, and what it depended on."""

from __future__ import annotations

import struct

from bpfrec.bpf.snapshots import Snapshot
from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules
from bpfrec.record.stacks.unwind.frame import UnwindInfo
from bpfrec.record.stacks.unwind.registers import RBP, RIP, RSP, Registers, StackCopy
from bpfrec.record.stacks.unwind.unwinder import UnwindResult, unwind

SP = 0x7000
RBX = 3
RETURN = {RIP: Rule(How.OFFSET, -8)}


def function(
    cfa_offset: int, rules: dict[int, Rule] | None = None, register: int = RSP, signal: bool = False
) -> UnwindInfo:
    return UnwindInfo(FunctionRules(CfiRow(register, cfa_offset, None, rules or RETURN), RIP, signal))


def unwound(
    code: dict[int, UnwindInfo], *words: int, ip: int = 0x100, most: int = 50, in_call: bool = False, **registers: int
) -> tuple[UnwindResult, Registers]:
    """Unwinds a stack of ``words``; code is found by its address rounded down to 0x100."""
    values = {RIP: ip, RSP: SP, RBP: registers.get("rbp", 0), RBX: registers.get("rbx", 0)}
    first = Registers(StackCopy(SP, Snapshot(1, 0, 1, 1, (0, SP), struct.pack(f"<{len(words)}Q", *words)).word), values)
    return unwind(first, lambda address: code.get(address & ~0xFF), most, in_call=in_call), first


def ips(found: UnwindResult) -> list[int]:
    return [frame.ip for frame in found.frames]


OUTERMOST = function(8, {RIP: Rule(How.UNDEFINED)})


def test_frames_up_to_the_function_that_nobody_called() -> None:
    found, registers = unwound({0x100: function(8), 0x200: function(24), 0x300: OUTERMOST}, 0x205, 7, 8, 0x305)
    assert (ips(found), found.status) == ([0x100, 0x205, 0x305], "root")
    assert [frame.source for frame in found.frames] == ["ip", "cfi", "cfi"]
    assert registers.used == {RIP, RSP}
    assert registers.stack.used == {(SP, 8): 0x205, (SP + 24, 8): 0x305}, "words that are no return address were read"


def test_a_return_address_behind_the_last_instruction_belongs_to_the_function_before_it() -> None:
    found, _ = unwound({0x100: function(8), 0x200: OUTERMOST}, 0x300)
    assert (ips(found), found.status) == ([0x100, 0x300], "root")


def test_a_register_that_was_pushed_makes_the_frame_of_its_caller() -> None:
    pushes = {RIP: Rule(How.OFFSET, -8), RBX: Rule(How.OFFSET, -16)}
    code = {0x100: function(16, pushes), 0x200: function(16, register=RBX), 0x300: OUTERMOST}
    found, registers = unwound(code, SP + 0x10, 0x205, 0x99, 0x305)
    assert (ips(found), found.status) == ([0x100, 0x205, 0x305], "root")
    assert registers.stack.used.keys() == {(SP, 8), (SP + 8, 8), (SP + 24, 8)}
    assert RBX not in registers.used, "the first rbx does not matter: it was pushed over"


def test_what_interrupted_a_function_does_not_stand_behind_a_call() -> None:
    restorer = function(16, signal=True)
    found, _ = unwound({0x100: function(8), 0x200: restorer, 0x300: OUTERMOST}, 0x201, 5, 0x300)
    assert [(frame.ip, frame.is_return) for frame in found.frames] == [
        (0x100, False),
        (0x201, False),
        (0x300, False),
    ], "a handler returns to the first instruction of the trampoline, which nobody called"


def test_jit_code_is_unwound_by_its_frame_pointers() -> None:
    jit = UnwindInfo(None, is_jit=True)
    found, _ = unwound({0x100: jit, 0x200: jit, 0x300: OUTERMOST}, SP + 0x10, 0x205, 0, 0x305, rbp=SP)
    assert (ips(found), found.status) == ([0x100, 0x205, 0x305], "root")
    assert [frame.source for frame in found.frames] == ["ip", "fp", "fp"]


def test_a_chain_of_frame_pointers_ends_at_0() -> None:
    found, _ = unwound({0x100: UnwindInfo(None), 0x200: UnwindInfo(None)}, 0, 0x205, rbp=SP)
    assert (ips(found), found.status) == ([0x100, 0x205], "root")
    found, _ = unwound({0x100: UnwindInfo(None)}, 0, 0x205, rbp=0)
    assert (ips(found), found.status) == ([0x100], "no-unwind-info"), (
        "a register that is 0 ended a chain that there was not"
    )


def test_where_a_process_begins_unwinding_ends() -> None:
    found, _ = unwound({0x100: function(8), 0x200: UnwindInfo(None, is_entry=True)}, 0x205, rbp=SP)
    assert (ips(found), found.status) == ([0x100, 0x205], "root")


def test_every_other_end_says_why() -> None:
    assert unwound({})[0].status == "not-mapped"
    assert unwound({0x100: function(8)}, 0x5005)[0].status == "bad-return-address"
    assert unwound({0x100: function(8)}, 0x5005)[0].frames[1:] == [], "an address that is not executable was shown"
    assert unwound({0x100: function(800)}, 0x205)[0].status == "stack-truncated"
    assert unwound({0x100: UnwindInfo(None)}, 0, 0x5005, rbp=SP)[0].status == "no-unwind-info"
    assert unwound({0x100: UnwindInfo(None, damage="broken")}, 0, 0x5005, rbp=SP)[0].status == "bad-unwind-info"
    assert unwound({0x100: UnwindInfo(None)}, 0, rbp=0x9000)[0].status == "no-unwind-info", "a guess that leads nowhere"
    assert unwound({0x100: UnwindInfo(None, damage="not there")}, 0, rbp=0x9000)[0].status == "bad-unwind-info"
    assert unwound({0x100: UnwindInfo(None, is_jit=True)}, 0, rbp=0x9000)[0].status == "no-frame-pointer"
    keeping = UnwindInfo(None, is_jit=True, keeps_frame_pointer=True)
    assert unwound({0x100: keeping}, 0, rbp=0x9000)[0].status == "stack-truncated"
    assert unwound({0x100: function(8, {RBX: Rule(How.SAME)})}, 0x205)[0].status == "bad-unwind-info"
    again = function(0, {RIP: Rule(How.OFFSET, 0)})
    assert unwound({0x100: function(8), 0x200: again}, 0x205, 0x205)[0].status == "loop"
    assert unwound({0x100: function(8)}, *[0x105] * 9, most=5)[0].status == "too-deep"


def test_expressions_without_number_are_damage() -> None:
    slow = Rule(How.VALUE_EXPRESSION, expression=b"\x31")
    endless = function(8, {RIP: Rule(How.OFFSET, -8)} | dict.fromkeys((0, 1, 2, 3, 4, 5), slow))
    found, _ = unwound({0x100: endless}, *[0x105] * 1000, most=2000)
    assert found.status == "bad-unwind-info"
    assert len(found.frames) < 400
