"""From frame to frame: finds the callers of an instruction from its registers and a copy of the stack.

Registers have their DWARF numbers: System V ABI, AMD64 supplement, figure 3.36.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.record.stacks.unwind.cfi import CfiRow, How, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRules
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError
from bpfrec.record.stacks.unwind.expression import Unreadable, evaluate

RBP, RSP, RIP = 6, 7, 16
CALLEE_SAVED = (3, 6, 12, 13, 14, 15)
"""rbx, rbp, r12 to r15: a function must restore these before it returns."""

# A signal frame has an expression for each register; nothing else has many.
_MOST_COMPUTED = 1024


class StackCopy:
    """A copy of the stack from ``address`` on; ``word`` reads a number by its offset and its size in bytes.

    ``used``: the numbers that were read, by address and size. ``refused``: the offset of the last number that the copy
    does not hold.
    """

    def __init__(self, address: int, word: Callable[[int, int], int | None]) -> None:
        self._address, self._word = address, word
        self.used: dict[tuple[int, int], int] = {}
        self.refused = 0

    def read(self, address: int, size: int) -> int | None:
        """The number of ``size`` bytes at ``address``; None where the copy does not hold it."""
        value = self._word(address - self._address, size)
        if value is None:
            self.refused = address - self._address
        else:
            self.used[address, size] = value
        return value


@dataclass(frozen=True, slots=True)
class _Saved:
    """A register's value is on the stack at ``address``."""

    address: int


@dataclass(frozen=True, slots=True)
class _Initial:
    """A register's value is what the innermost frame had in register ``number``."""

    number: int


_Location = int | _Saved | _Initial
"""Where a register's value is: it is known, or saved on the stack, or still in a register of the innermost frame."""


class Registers:
    """The registers of a frame by their DWARF numbers; at first those of the innermost frame, ``values``.

    A saved register is read from ``stack`` only when it is asked for, for most never matter. ``used``: the registers of
    the innermost frame that were asked for. ``computed``: how many expressions were evaluated.
    """

    def __init__(self, stack: StackCopy, values: dict[int, int]) -> None:
        self.stack, self.used, self.computed = stack, set[int](), 0
        self._values = values
        self._locations: dict[int, _Location] = {number: _Initial(number) for number in values}

    def get(self, number: int) -> int | None:
        """The value of a register; None where it is not known."""
        match self._locations.get(number):
            case _Saved(address):
                return self.stack.read(address, 8)
            case _Initial(first):
                self.used.add(first)
                return self._values[first]
            case value:
                return value

    def known(self, number: int) -> int:
        """The value of a register.

        Raises:
            Unreadable: it is not known.
        """
        value = self.get(number)
        if value is None:
            raise Unreadable
        return value

    def step(self, changed: dict[int, _Location | None]) -> None:
        """Turns them into those of the caller: ``changed``, and the callee-saved registers that are not in it."""
        kept: dict[int, _Location] = {n: location for n, location in self._locations.items() if n in CALLEE_SAVED}
        for number, location in changed.items():
            if location is None:
                kept.pop(number, None)
            else:
                kept[number] = location
        self._locations = kept

    def location(self, number: int) -> _Location | None:
        """Where the value of a register is; None where that is not known."""
        return self._locations.get(number)


@dataclass(frozen=True, slots=True)
class UnwindInfo:
    """What is known of the code at an address: the ``rules`` of its function, None where no table covers it.

    ``is_jit``: no file is behind the code, so a runtime made it. ``damage``: what is wrong with the table of the file.
    ``is_entry``: a process begins there, so the code has no caller.
    """

    rules: FunctionRules | None
    is_jit: bool = False
    damage: str = ""
    is_entry: bool = False


FindUnwindInfo = Callable[[int], UnwindInfo | None]
"""Finds what is known of the code at an address of the process; None where nothing executable is mapped."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: ``ip``, the next instruction of the function; ``source``, how it was found: ip, cfi or fp.

    ``is_return``: ip is the end of the call (or the system call) that the function has made, so the function is the one
    before ip. Else it was interrupted, and ip is what it would have executed next.
    """

    ip: int
    source: str
    is_return: bool


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
    guessed = rules is None and not code.is_jit
    try:
        caller = _by_table(registers, rules) if rules else _by_frame_pointer(registers)
        lost = guessed and caller and find(caller - 1) is None
    except Unreadable:
        if not guessed:
            raise
        lost = True
    if lost:
        return "bad-unwind-info" if code.damage else "no-unwind-info"
    if not caller:
        # Where no chain of frame pointers led here, rbp may just be a register that is 0.
        ended = rules is not None or code.is_jit or here.source == "fp"
        return "root" if ended else "no-unwind-info"
    is_signal = rules is not None and rules.is_signal
    if is_signal and len(frames) > 1:
        # The handler returns to its first instruction, though nothing was called there.
        frames[-1] = Frame(here.ip, here.source, is_return=False)
    if registers.known(RSP) <= depth and not is_signal and len(frames) > 1:
        return "loop"
    return Frame(caller, "cfi" if rules else "fp", is_return=not is_signal)


def _by_table(registers: Registers, rules: FunctionRules) -> int | None:
    """Turns ``registers`` into the caller's by an unwind table; the return address, None where there is no caller."""
    row = rules.row
    cfa = _cfa(row, registers)
    back = row.rules.get(RIP) if rules.return_register == RIP else None
    if back is None:
        raise BadUnwindInfoError("a function without a return address")
    if back.how is How.UNDEFINED:
        return None
    changed: dict[int, _Location | None] = {RSP: cfa}
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
) -> _Location | None:
    match rule.how:
        case How.UNDEFINED:
            return None
        case How.SAME:
            return registers.location(number)
        case How.OFFSET:
            return _Saved((cfa + rule.value) & MASK)
        case How.VALUE_OFFSET:
            return (cfa + rule.value) & MASK
        case How.REGISTER:
            return registers.location(rule.value)
        case How.EXPRESSION:
            return _Saved(_computed(rule.expression, registers, cfa))
        case How.VALUE_EXPRESSION:
            return _computed(rule.expression, registers, cfa)


def _by_frame_pointer(registers: Registers) -> int | None:
    """The same by the frame pointer: rbp points at the caller's rbp, and the return address stands above that."""
    frame = registers.known(RBP)
    if not frame:
        return None
    registers.step({RBP: _Saved(frame), RSP: frame + 16, RIP: _Saved(frame + 8)})
    return registers.known(RIP)
