"""From frame to frame: finds the callers of an instruction from its registers and a copy of the stack."""

from __future__ import annotations

from dataclasses import dataclass

from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError
from bpfrec.record.stacks.unwind.expression import Unreadable, evaluate
from bpfrec.record.stacks.unwind.frame import FindUnwindInfo, Frame, UnwindInfo
from bpfrec.record.stacks.unwind.frame_pointer import NoFrame, caller_registers
from bpfrec.record.stacks.unwind.registers import RIP, RSP, Location, Registers, Saved

# A signal frame has an expression for each register; nothing else has many.
_MOST_COMPUTED = 1024


@dataclass(frozen=True, slots=True)
class UnwindResult:
    """The frames, innermost first, and how unwinding ended: ``stacks.status`` has the words."""

    frames: list[Frame]
    status: str


def unwind(registers: Registers, find: FindUnwindInfo, most: int, *, in_call: bool) -> UnwindResult:
    """Unwinds from the frame that ``registers`` are of, and changes them on the way; stops after ``most`` frames.

    ``in_call``: the thread is in a system call, so that its ip is the end of an instruction; else it was interrupted.
    """
    frames = [Frame(registers.known(RIP), "ip", is_return=in_call)]
    while len(frames) < most:
        try:
            found = _caller(registers, frames, find)
        except Unreadable:
            found = "stack-truncated"
        except BadUnwindInfoError:
            found = "bad-unwind-info"
        if isinstance(found, str):
            # An address at which nothing executable is mapped is no frame, unless it is where the thread was.
            return UnwindResult(frames[:-1] if found == "bad-return-address" else frames, found)
        frames.append(found)
    return UnwindResult(frames, "too-deep")


def _caller(registers: Registers, frames: list[Frame], find: FindUnwindInfo) -> Frame | str:
    """The caller of the last of ``frames``, or the status if there is none; ``registers`` become the caller's."""
    here = frames[-1]
    code = find(here.ip - here.is_return)
    if code is None or code.is_entry:
        return "root" if code else "bad-return-address" if len(frames) > 1 else "not-mapped"
    rules, depth = code.rules, registers.known(RSP)
    if rules is not None and rules.switches_stacks and here.is_return:
        return "stack-switched"
    if rules is None:
        return _caller_without_table(registers, here, code, find)
    caller = _by_table(registers, rules)
    if not caller:
        return "root"
    if rules.is_signal and len(frames) > 1:
        # The handler returns to its first instruction, though nothing was called there.
        frames[-1] = Frame(here.ip, here.source, is_return=False)
    if registers.known(RSP) <= depth and not rules.is_signal and len(frames) > 1:
        return "loop"
    return Frame(caller, "cfi", is_return=not rules.is_signal)


def _caller_without_table(registers: Registers, here: Frame, code: UnwindInfo, find: FindUnwindInfo) -> Frame | str:
    """The caller of ``here``, which no table covers, by its frame pointer; or the status if that is not certain."""
    lost = "no-frame-pointer" if code.is_jit else "bad-unwind-info" if code.damage else "no-unwind-info"
    before = registers.reads()
    try:
        found = caller_registers(registers, here, code, find)
    except Unreadable:
        if code.keeps_frame_pointer:
            # It leads beyond the copy. That of other code may be anything.
            return "stack-truncated"
        found = NoFrame.UNCERTAIN
    if found is NoFrame.UNCERTAIN:
        # The frames up to here do not depend on what rbp holds. With something else there might be more of them.
        registers.forget_reads_since(before)
        return lost
    if found is NoFrame.OUTERMOST:
        return "root"
    registers.step(found)
    return Frame(registers.known(RIP), "fp", is_return=True)


def _by_table(registers: Registers, rules: FunctionRules) -> int | None:
    """Turns ``registers`` into the caller's by an unwind table; the return address, None where there is no caller."""
    row = rules.row
    cfa = _cfa(row, registers)
    back = row.rules.get(RIP) if rules.return_register == RIP else None
    if back is None:
        raise BadUnwindInfoError("a function without a return address")
    if back.how is How.UNDEFINED:
        return None
    changed: dict[int, Location | None] = {RSP: cfa}
    changed |= {number: _location(rule, number, cfa, registers) for number, rule in row.rules.items()}
    registers.step(changed)
    return registers.known(RIP)


def _cfa(row: CfiRow, registers: Registers) -> int:
    if row.cfa_expression is not None:
        return _computed(row.cfa_expression, registers)
    return (registers.known(row.cfa_register) + row.cfa_offset) & MASK


def _computed(expression: bytes, registers: Registers, cfa: int | None = None) -> int:
    registers.computed += 1
    if registers.computed > _MOST_COMPUTED:
        raise BadUnwindInfoError("more expressions than any stack needs")
    return evaluate(expression, registers.get, registers.stack.read, cfa)


def _location(  # noqa: PLR0911 - a case for each kind of rule
    rule: Rule, number: int, cfa: int, registers: Registers
) -> Location | None:
    match rule.how:
        case How.UNDEFINED:
            return None
        case How.SAME:
            return registers.location(number)
        case How.OFFSET:
            return Saved((cfa + rule.value) & MASK)
        case How.VALUE_OFFSET:
            return (cfa + rule.value) & MASK
        case How.REGISTER:
            return registers.location(rule.value)
        case How.EXPRESSION:
            return Saved(_computed(rule.expression, registers, cfa))
        case How.VALUE_EXPRESSION:
            return _computed(rule.expression, registers, cfa)
