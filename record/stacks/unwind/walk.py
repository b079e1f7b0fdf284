"""From frame to frame: the callers of an instruction, from its registers and a copy of the stack.

Registers have their DWARF numbers: System V ABI, AMD64 supplement, figure 3.36.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.record.stacks.unwind.cfi import How, Row, Rule
from bpfrec.record.stacks.unwind.eh_frame import FunctionRow
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError
from bpfrec.record.stacks.unwind.expression import Unreadable, evaluate

RBP, RSP, RIP = 6, 7, 16
CALLEE_SAVED = (3, 6, 12, 13, 14, 15)
"""rbx, rbp, r12 to r15: what a function must give back to its caller as it was."""

# A signal frame has one for each register.
_MOST_COMPUTED = 1024


class StackCopy:
    """The stack from ``address`` on, of which ``word`` gives numbers by their offset and size in bytes, where it can.

    ``used``: the numbers that were read from it, by address and size in bytes. ``refused``: the offset of the last that
    could not be.
    """

    def __init__(self, address: int, word: Callable[[int, int], int | None]) -> None:
        self._address, self._word = address, word
        self.used: dict[tuple[int, int], int] = {}
        self.refused = 0

    def read(self, address: int, size: int) -> int | None:
        """The number of ``size`` bytes at ``address``; None where it is not in the copy."""
        value = self._word(address - self._address, size)
        if value is None:
            self.refused = address - self._address
        else:
            self.used[address, size] = value
        return value


@dataclass(frozen=True, slots=True)
class _Saved:
    address: int


@dataclass(frozen=True, slots=True)
class _Initial:
    number: int


_Place = int | _Saved | _Initial


class Registers:
    """The registers of a frame, by their numbers, first those of the innermost one.

    What callees saved is read from ``stack`` when it is asked for: most of it never matters. ``used``: which of the
    first registers were asked for. ``computed``: how many expressions were evaluated.
    """

    def __init__(self, stack: StackCopy, values: dict[int, int]) -> None:
        self.stack, self.used, self.computed = stack, set[int](), 0
        self._values = values
        self._places: dict[int, _Place] = {number: _Initial(number) for number in values}

    def get(self, number: int) -> int | None:
        """The value of a register; None where it is not known."""
        match self._places.get(number):
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

    def leave(self, changed: dict[int, _Place | None]) -> None:
        """Becomes those of the caller: all that it has the right to find as it was, but for what is ``changed``."""
        kept: dict[int, _Place] = {n: place for n, place in self._places.items() if n in CALLEE_SAVED}
        for number, place in changed.items():
            if place is None:
                kept.pop(number, None)
            else:
                kept[number] = place
        self._places = kept

    def place(self, number: int) -> _Place | None:
        """Where the value of a register is to be had."""
        return self._places.get(number)


@dataclass(frozen=True, slots=True)
class Code:
    """What is executable at an address: ``rules`` of the function there, None where no table knows it.

    ``generated``: no file is behind it, which means that a runtime made the code. ``damage``: why its table is no good.
    ``entry``: a process begins there, so that nobody called it.
    """

    rules: FunctionRow | None
    generated: bool = False
    damage: str = ""
    entry: bool = False


FindCode = Callable[[int], Code | None]
"""What is executable at an address of the process; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Frame:
    """``ip``: the next instruction of the function; ``source``: ip, cfi or fp, by which it was found.

    ``called``: ip is a return address, which stands behind its call; else it was interrupted there.
    """

    ip: int
    source: str
    called: bool


@dataclass(frozen=True, slots=True)
class Walk:
    """The frames, innermost first, and how the walk ended: see the table ``stacks``."""

    frames: list[Frame]
    status: str


def walk(registers: Registers, find: FindCode, most: int) -> Walk:
    """Follows the callers of the instruction in ``registers``, which change with it; at most ``most`` frames."""
    frames = [Frame(registers.known(RIP), "ip", called=False)]
    while len(frames) < most:
        try:
            found = _caller(registers, frames, find)
        except Unreadable:
            found = "stack-truncated"
        except BadUnwindInfoError:
            found = "bad-unwind-info"
        if isinstance(found, str):
            # An address that is not executable is no frame; the first one is what was executed, whatever it is.
            called = found != "bad-return-address"
            return Walk(frames if called else frames[:-1], found)
        frames.append(found)
    return Walk(frames, "too-deep")


def _caller(registers: Registers, frames: list[Frame], find: FindCode) -> Frame | str:
    """The caller of the last of ``frames``, whose ``registers`` become its; or why there is none."""
    here = frames[-1]
    code = find(here.ip - here.called)
    if code is None or code.entry:
        return "root" if code else "bad-return-address" if len(frames) > 1 else "not-mapped"
    rules, depth = code.rules, registers.known(RSP)
    if rules is not None and rules.switches and here.called:
        return "stack-switched"
    guessed = rules is None and not code.generated
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
        ended = rules is not None or code.generated or here.source == "fp"
        return "root" if ended else "no-unwind-info"
    signal = rules is not None and rules.signal
    if registers.known(RSP) <= depth and not signal and len(frames) > 1:
        return "loop"
    return Frame(caller, "cfi" if rules else "fp", called=not signal)


def _by_table(registers: Registers, found: FunctionRow) -> int | None:
    """Makes ``registers`` those of the caller; the address to return to, None where there is none."""
    row = found.row
    cfa = _cfa(row, registers)
    back = row.rules.get(RIP) if found.return_register == RIP else None
    if back is None:
        raise BadUnwindInfoError("a function without a return address")
    if back.how is How.UNDEFINED:
        return None
    changed: dict[int, _Place | None] = {RSP: cfa}
    changed |= {number: _place(rule, number, cfa, registers) for number, rule in row.rules.items()}
    registers.leave(changed)
    return registers.known(RIP)


def _cfa(row: Row, registers: Registers) -> int:
    if row.cfa_expression is not None:
        return _computed(row.cfa_expression, registers)
    return (registers.known(row.cfa_register) + row.cfa_offset) & MASK


def _computed(expression: bytes, registers: Registers, cfa: int | None = None) -> int:
    registers.computed += 1
    if registers.computed > _MOST_COMPUTED:
        raise BadUnwindInfoError("more expressions than any stack needs")
    return evaluate(expression, registers.get, registers.stack.read, cfa)


def _place(  # noqa: PLR0911 - a case for each kind of rule
    rule: Rule, number: int, cfa: int, registers: Registers
) -> _Place | None:
    match rule.how:
        case How.UNDEFINED:
            return None
        case How.SAME:
            return registers.place(number)
        case How.OFFSET:
            return _Saved((cfa + rule.value) & MASK)
        case How.VALUE_OFFSET:
            return (cfa + rule.value) & MASK
        case How.REGISTER:
            return registers.place(rule.value)
        case How.EXPRESSION:
            return _Saved(_computed(rule.expression, registers, cfa))
        case How.VALUE_EXPRESSION:
            return _computed(rule.expression, registers, cfa)


def _by_frame_pointer(registers: Registers) -> int | None:
    """The same for a function that keeps a frame pointer: rbp, saved below the return address."""
    frame = registers.known(RBP)
    if not frame:
        return None
    registers.leave({RBP: _Saved(frame), RSP: frame + 16, RIP: _Saved(frame + 8)})
    return registers.known(RIP)
