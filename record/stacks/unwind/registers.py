"""The registers of a frame, and the copy of the stack from which those of its callers are read.

Registers have their DWARF numbers: System V ABI, AMD64 supplement, figure 3.36.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfrec.record.stacks.unwind.expression import Unreadable

RBP, RSP, RIP = 6, 7, 16
CALLEE_SAVED = (3, 6, 12, 13, 14, 15)
"""rbx, rbp, r12 to r15: a function must restore these before it returns."""


class StackCopy:
    """A copy of the stack from ``address`` on; ``word`` reads a number by its offset and its size in bytes.

    ``used``: the numbers that were read, by address and size. ``refused``: the offset of the last number that the copy
    does not hold. ``is_searched``: words were looked at that are not in ``used``.
    """

    def __init__(self, address: int, word: Callable[[int, int], int | None]) -> None:
        self._address, self._word = address, word
        self.used: dict[tuple[int, int], int] = {}
        self.refused = 0
        self.is_searched = False

    def peek(self, address: int) -> int | None:
        """The word at ``address``, which is not noted in ``used``; None where the copy does not hold it."""
        self.is_searched = True
        return self._word(address - self._address, 8)

    def read(self, address: int, size: int) -> int | None:
        """The number of ``size`` bytes at ``address``; None where the copy does not hold it."""
        value = self._word(address - self._address, size)
        if value is None:
            self.refused = address - self._address
        else:
            self.used[address, size] = value
        return value


@dataclass(frozen=True, slots=True)
class Saved:
    """A register's value is on the stack at ``address``."""

    address: int


@dataclass(frozen=True, slots=True)
class Initial:
    """A register's value is what the innermost frame had in register ``number``."""

    number: int


Location = int | Saved | Initial
"""Where a register's value is: it is known, or saved on the stack, or still in a register of the innermost frame."""


class Registers:
    """The registers of a frame by their DWARF numbers; at first those of the innermost frame, ``values``.

    A saved register is read from ``stack`` only when it is asked for, for most never matter. ``used``: the registers of
    the innermost frame that were asked for. ``computed``: how many expressions were evaluated.
    """

    def __init__(self, stack: StackCopy, values: dict[int, int]) -> None:
        self.stack, self.used, self.computed = stack, set[int](), 0
        self._values = values
        self._locations: dict[int, Location] = {number: Initial(number) for number in values}

    def get(self, number: int) -> int | None:
        """The value of a register; None where it is not known."""
        match self._locations.get(number):
            case Saved(address):
                return self.stack.read(address, 8)
            case Initial(first):
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

    def step(self, changed: dict[int, Location | None]) -> None:
        """Turns them into those of the caller: ``changed``, and the callee-saved registers that are not in it."""
        kept: dict[int, Location] = {n: location for n, location in self._locations.items() if n in CALLEE_SAVED}
        for number, location in changed.items():
            if location is None:
                kept.pop(number, None)
            else:
                kept[number] = location
        self._locations = kept

    def reads(self) -> tuple[int, frozenset[int]]:
        """What was read so far: how many numbers of the stack, and which registers."""
        return len(self.stack.used), frozenset(self.used)

    def forget_reads_since(self, before: tuple[int, frozenset[int]]) -> None:
        """Takes back what was read since :meth:`reads`, as if it had only been looked at."""
        count, registers = before
        for place in list(self.stack.used)[count:]:
            del self.stack.used[place]
        self.used = set(registers)
        self.stack.is_searched = True

    def location(self, number: int) -> Location | None:
        """Where the value of a register is; None where that is not known."""
        return self._locations.get(number)
