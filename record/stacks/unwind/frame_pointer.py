"""Finds callers by the frame pointer, in code that no table covers: JIT code, and programs without tables.

rbp may be a frame pointer, or hold anything else. Where it is another function's, whoever follows it leaves out the
frames in between, and what is found there looks as good as any. So a frame pointer is followed only where the code is
known to keep one, or where nothing on the stack below it could be the return address instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import islice

from bpfrec.record.stacks.unwind.expression import Unreadable
from bpfrec.record.stacks.unwind.frame import FindUnwindInfo, Frame, UnwindInfo
from bpfrec.record.stacks.unwind.registers import RBP, RIP, RSP, Location, Registers, Saved

_WORD = 8
_PAGE = 4096
# Words of one frame, and of what is left of a stack, that are searched for return addresses.
_MOST_WORDS = 4096


class NoFrame(Enum):
    """Why no caller is found."""

    UNCERTAIN = 0
    """rbp may not be the frame pointer of this function."""
    OUTERMOST = 1
    """There is no caller: rbp is 0, and nothing that is left of the stack looks like a return address."""


def caller_registers(
    registers: Registers, here: Frame, code: UnwindInfo, find: FindUnwindInfo
) -> dict[int, Location | None] | NoFrame:
    """What changes in ``registers``, those of ``here``, when they become the caller's; ``code``: of ``here``.

    Raises:
        Unreadable: the frame pointer leads to where the stack was not copied.
    """
    return _Search(registers, code, find).run(here)


class _Search:
    def __init__(self, registers: Registers, code: UnwindInfo, find: FindUnwindInfo) -> None:
        self._registers, self._stack, self._code, self._find = registers, registers.stack, code, find
        self._sp, self._rbp = registers.known(RSP), registers.known(RBP)

    def run(self, here: Frame) -> dict[int, Location | None] | NoFrame:
        sp, rbp = self._sp, self._rbp
        slot = None if here.is_return or not self._code.keeps_frame_pointer else self._slot_at_edge()
        if slot is not None:
            return {RBP: self._registers.location(RBP), RSP: slot + _WORD, RIP: Saved(slot)}
        if not rbp and (here.source == "fp" or self._code.is_jit) and self._is_rest_empty(sp):
            return NoFrame.OUTERMOST
        if rbp < sp or rbp % _WORD:
            return NoFrame.UNCERTAIN
        back = self._stack.read(rbp + _WORD, _WORD)
        if back is None:
            raise Unreadable
        if not back and self._is_rest_empty(rbp):
            return NoFrame.OUTERMOST
        if not self._may_return_to(back) or not (self._code.keeps_frame_pointer or self._is_only_choice()):
            return NoFrame.UNCERTAIN
        return {RBP: Saved(rbp), RSP: rbp + 2 * _WORD, RIP: Saved(rbp + _WORD)}

    def _slot_at_edge(self) -> int | None:
        """Where the return address is at the start and the end of a function, where rbp is the caller's."""
        first = self._stack.read(self._sp, _WORD)
        if first == self._rbp and self._may_return_to(self._stack.read(self._sp + _WORD, _WORD)):
            return self._sp + _WORD
        return self._sp if self._may_return_to(first) else None

    def _is_only_choice(self) -> bool:
        """Whether no word between the stack pointer and the frame pointer may be a return address."""
        between = (self._rbp - self._sp) // _WORD
        words = islice(self._words(self._sp), between)
        return between <= _MOST_WORDS and not any(word is None or self._may_return_to(word) for word in words)

    def _is_rest_empty(self, first: int) -> bool:
        """Whether no word from ``first`` to the end of the stack may be a return address."""
        for number, word in enumerate(self._words(first)):
            if word is None:
                # A page that was not read is not the end.
                return self._stack.peek(first + _WORD * number + _PAGE) is None
            if self._may_return_to(word):
                return False
        return False

    def _may_return_to(self, word: int | None) -> bool:
        if not word:
            return False
        found = self._find(word - 1)
        return found is not None and found.ends_call is not False

    def _words(self, first: int) -> Iterator[int | None]:
        return (self._stack.peek(first + _WORD * number) for number in range(_MOST_WORDS))
