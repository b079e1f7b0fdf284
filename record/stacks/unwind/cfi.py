"""Call frame information: what a function has done to the registers of its caller at each of its instructions.

Sources: DWARF 4, chapter 6.4; Linux Standard Base, Core, chapter 10.6 (.eh_frame, augmentations).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum

from bpfrec.record.stacks.unwind.encoding import OMITTED, BadUnwindInfoError, Cursor

_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_MOST_STATES = 64
# The registers of DWARF that hold addresses: up to rip, which stands for the return address.
_MOST_REGISTER = 17


class How(Enum):
    """Where a register of the caller is."""

    UNDEFINED = 0
    SAME = 1
    OFFSET = 2
    """In memory at the CFA plus ``value``."""
    VALUE_OFFSET = 3
    """It is the CFA plus ``value``."""
    REGISTER = 4
    """In the register ``value``."""
    EXPRESSION = 5
    """In memory where ``expression`` says."""
    VALUE_EXPRESSION = 6
    """It is what ``expression`` computes."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one register of the caller is found."""

    how: How
    value: int = 0
    expression: bytes = b""


@dataclass(frozen=True, slots=True)
class Cie:
    """What the functions of one Common Information Entry share; ``is_signal``: their callers were interrupted."""

    code_factor: int
    data_factor: int
    return_register: int
    pointer_encoding: int
    augmented: bool
    is_signal: bool
    program: bytes


@dataclass(slots=True)
class CfiRow:
    """What holds at an instruction: the CFA is register + offset, or what an expression computes; rules by register."""

    cfa_register: int = 0
    cfa_offset: int = 0
    cfa_expression: bytes | None = None
    rules: dict[int, Rule] = field(default_factory=dict)

    def copy(self) -> CfiRow:
        """One that can change on its own."""
        return CfiRow(self.cfa_register, self.cfa_offset, self.cfa_expression, dict(self.rules))


def parse_cie(data: bytes, address: int) -> Cie:
    """The CIE in ``data``, which begins behind its length and id; ``address``: of its first byte.

    Raises:
        BadUnwindInfoError: it is none, or of a kind that no compiler for x86-64 writes.
    """
    cursor = Cursor(data, 0, address)
    version = cursor.byte()
    if version not in (1, 3, 4):
        raise BadUnwindInfoError(f"CIE of version {version}")
    augmentation = cursor.string()
    if version == 4:
        cursor.take(2)
    code, factor = cursor.uleb(), cursor.sleb()
    register = cursor.byte() if version == 1 else cursor.uleb()
    encoding, signal = 0, False
    if augmentation.startswith(b"z"):
        end = cursor.uleb()
        end += cursor.position
        for letter in augmentation[1:].decode("latin-1"):
            match letter:
                case "R":
                    encoding = cursor.byte()
                case "P":
                    kind = cursor.byte()
                    if kind != OMITTED:
                        # Where the pointer to the personality routine is does not matter, only how long it is.
                        cursor.pointer(kind & 0x0F)
                case "L":
                    cursor.byte()
                case "S":
                    signal = True
                case _:
                    break
        cursor.position = end
    elif augmentation:
        raise BadUnwindInfoError(f"CIE with augmentation {augmentation!r}")
    if cursor.position > len(data):
        raise BadUnwindInfoError("it ends too early")
    return Cie(code, factor, register, encoding, augmentation.startswith(b"z"), signal, data[cursor.position :])


def row_at(cie: Cie, program: bytes, start: int, target: int) -> CfiRow:
    """The row for the instruction at ``target`` of the function at ``start``, whose FDE has ``program``.

    Raises:
        BadUnwindInfoError: the program is damaged.
    """
    machine = _Machine(cie, start)
    machine.run(cie.program, None)
    machine.initial = machine.row.copy()
    machine.run(program, target)
    return machine.row


class _Machine:
    def __init__(self, cie: Cie, start: int) -> None:
        self._cie, self._at = cie, start
        self.row = CfiRow()
        self.initial = CfiRow()
        self._states: list[CfiRow] = []

    def run(self, program: bytes, target: int | None) -> None:
        """Executes ``program`` up to the first instruction behind ``target``."""
        cursor = Cursor(program)
        while cursor:
            code = cursor.byte()
            advance = self._advance(code, cursor)
            if advance is None:
                self._define(code, cursor)
            else:
                self._at += advance * self._cie.code_factor
                if target is not None and self._at > target:
                    return

    def _advance(self, code: int, cursor: Cursor) -> int | None:
        match code:
            case _ if code >> 6 == 1:
                return code & 0x3F
            case 0x02:
                return cursor.byte()
            case 0x03:
                return cursor.fixed(_U16)
            case 0x04:
                return cursor.fixed(_U32)
            case 0x01:
                raise BadUnwindInfoError("DW_CFA_set_loc, which no compiler for x86-64 writes")
        return None

    def _define(self, code: int, cursor: Cursor) -> None:  # noqa: PLR0912 - a case for each instruction
        factor = self._cie.data_factor
        high, low = code >> 6, code & 0x3F
        if high == 2:
            self._set(low, Rule(How.OFFSET, cursor.uleb() * factor))
            return
        if high == 3:
            self._restore(low)
            return
        match code:
            case 0x00:
                pass
            case 0x05:
                self._set(cursor.uleb(), Rule(How.OFFSET, cursor.uleb() * factor))
            case 0x06:
                self._restore(cursor.uleb())
            case 0x07:
                self._set(cursor.uleb(), Rule(How.UNDEFINED))
            case 0x08:
                self._set(cursor.uleb(), Rule(How.SAME))
            case 0x09:
                self._set(cursor.uleb(), Rule(How.REGISTER, cursor.uleb()))
            case 0x0A:
                if len(self._states) >= _MOST_STATES:
                    raise BadUnwindInfoError("states are remembered without end")
                self._states.append(self.row.copy())
            case 0x0B:
                if not self._states:
                    raise BadUnwindInfoError("a state is restored that was not remembered")
                self.row = self._states.pop()
            case 0x10:
                self._set(cursor.uleb(), Rule(How.EXPRESSION, expression=self._block(cursor)))
            case 0x16:
                self._set(cursor.uleb(), Rule(How.VALUE_EXPRESSION, expression=self._block(cursor)))
            case 0x11:
                self._set(cursor.uleb(), Rule(How.OFFSET, cursor.sleb() * factor))
            case 0x14:
                self._set(cursor.uleb(), Rule(How.VALUE_OFFSET, cursor.uleb() * factor))
            case 0x15:
                self._set(cursor.uleb(), Rule(How.VALUE_OFFSET, cursor.sleb() * factor))
            case 0x2E:
                cursor.uleb()
            case _:
                self._define_cfa(code, cursor)

    def _define_cfa(self, code: int, cursor: Cursor) -> None:
        row, factor = self.row, self._cie.data_factor
        match code:
            case 0x0C:
                row.cfa_register, row.cfa_offset, row.cfa_expression = cursor.uleb(), cursor.uleb(), None
            case 0x12:
                row.cfa_register, row.cfa_offset, row.cfa_expression = cursor.uleb(), cursor.sleb() * factor, None
            case 0x0D:
                row.cfa_register = cursor.uleb()
            case 0x0E:
                row.cfa_offset = cursor.uleb()
            case 0x13:
                row.cfa_offset = cursor.sleb() * factor
            case 0x0F:
                row.cfa_expression = self._block(cursor)
            case _:
                raise BadUnwindInfoError(f"instruction {code:#x}")

    def _set(self, register: int, rule: Rule) -> None:
        if register < _MOST_REGISTER:
            self.row.rules[register] = rule

    def _restore(self, register: int) -> None:
        if register in self.initial.rules:
            self.row.rules[register] = self.initial.rules[register]
        else:
            self.row.rules.pop(register, None)

    @staticmethod
    def _block(cursor: Cursor) -> bytes:
        return cursor.take(cursor.uleb())
