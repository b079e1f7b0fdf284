"""Call frame information: where a function has put the registers of its caller, for each of its instructions.

Sources: DWARF 4, chapter 6.4; Linux Standard Base, Core, chapter 10.6 (.eh_frame, augmentations).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from bpfrec.formats.symbols.dwarf_names import CFA, EH_PE
from bpfrec.record.stacks.unwind.encoding import BadUnwindInfoError, Cursor

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")
_MOST_STATES = 64
# The general registers of DWARF end with 16, the return address. Vector registers follow.
_MOST_REGISTER = 17
# An instruction is in the two high bits of its byte, with an operand in the low ones; or, where those are 0, in all.
_OPERATION_BITS, _OPERAND_BITS = 0xC0, 0x3F
# Of an encoding of pointers, what does not say what they are relative to.
_FORMAT_BITS = 0x0F


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
    """What the functions of one Common Information Entry share.

    ``is_signal``: they are signal frames, so that their caller did not call but was interrupted.
    """

    code_factor: int
    data_factor: int
    return_register: int
    pointer_encoding: int
    augmented: bool
    is_signal: bool
    program: bytes


@dataclass(slots=True)
class CfiRow:
    """The rules at an instruction, by register; the CFA is a register and an offset, or what an expression computes."""

    cfa_register: int = 0
    cfa_offset: int = 0
    cfa_expression: bytes | None = None
    rules: dict[int, Rule] = field(default_factory=dict)

    def copy(self) -> CfiRow:
        """An independent copy."""
        return CfiRow(self.cfa_register, self.cfa_offset, self.cfa_expression, dict(self.rules))


def parse_cie(data: bytes, address: int) -> Cie:
    """Parses the CIE in ``data``, which begins behind its length and id; ``address``: of its first byte.

    Raises:
        BadUnwindInfoError: it is damaged, or of a kind that no compiler for x86-64 writes.
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
    encoding, is_signal = EH_PE.DW_EH_PE_absptr, False
    if augmentation.startswith(b"z"):
        end = cursor.uleb()
        end += cursor.position
        for letter in augmentation[1:].decode("latin-1"):
            match letter:
                case "R":
                    encoding = cursor.byte()
                case "P":
                    kind = cursor.byte()
                    if kind != EH_PE.DW_EH_PE_omit:
                        # The personality routine does not matter, only how long the pointer to it is.
                        cursor.pointer(kind & _FORMAT_BITS)
                case "L":
                    cursor.byte()
                case "S":
                    is_signal = True
                case _:
                    break
        cursor.position = end
    elif augmentation:
        raise BadUnwindInfoError(f"CIE with augmentation {augmentation!r}")
    if cursor.position > len(data):
        raise BadUnwindInfoError("it ends too early")
    return Cie(code, factor, register, encoding, augmentation.startswith(b"z"), is_signal, data[cursor.position :])


def row_at(cie: Cie, program: bytes, start: int, target: int) -> CfiRow:
    """The rules at the instruction at ``target`` in the function at ``start``, whose FDE has ``program``.

    Raises:
        BadUnwindInfoError: the program is damaged.
    """
    machine = _Machine(cie, start)
    machine.run(cie.program, None)
    machine.initial = machine.row.copy()
    machine.run(program, target)
    return machine.row


class _Machine:
    """Executes the instructions of a CIE and an FDE: ``row`` is what holds so far."""

    def __init__(self, cie: Cie, start: int) -> None:
        self.cie, self._at = cie, start
        self.row = CfiRow()
        self.initial = CfiRow()
        self.remembered: list[CfiRow] = []

    def run(self, program: bytes, target: int | None) -> None:
        """Executes ``program``, up to the first instruction that is for addresses behind ``target``."""
        cursor = Cursor(program)
        while cursor:
            code = cursor.byte()
            operation = code & _OPERATION_BITS or code
            advance = _ADVANCE.get(operation)
            if advance is not None:
                self._at += advance(code, cursor) * self.cie.code_factor
                if target is not None and self._at > target:
                    return
                continue
            define = _DEFINE.get(operation)
            if define is None:
                raise BadUnwindInfoError(f"instruction {code:#x}")
            define(self, code & _OPERAND_BITS, cursor)

    def set(self, register: int, rule: Rule) -> None:
        """Sets the rule of a register, if it is one that holds addresses."""
        if register < _MOST_REGISTER:
            self.row.rules[register] = rule

    def restore(self, register: int) -> None:
        """Gives a register the rule back that the CIE has for it."""
        if register in self.initial.rules:
            self.row.rules[register] = self.initial.rules[register]
        else:
            self.row.rules.pop(register, None)

    def offset(self, factored: int) -> Rule:
        """The rule that a register is saved in memory; its offset from the CFA is a multiple of the data factor."""
        return Rule(How.OFFSET, factored * self.cie.data_factor)

    def value_offset(self, factored: int) -> Rule:
        """The rule that a register's value is the CFA and such an offset."""
        return Rule(How.VALUE_OFFSET, factored * self.cie.data_factor)

    def set_cfa(self, register: int, offset: int) -> None:
        """Makes the CFA a register and an offset in bytes."""
        self.row.cfa_register, self.row.cfa_offset, self.row.cfa_expression = register, offset, None

    def set_cfa_register(self, register: int) -> None:
        """Changes the register of the CFA."""
        self.row.cfa_register = register

    def set_cfa_offset(self, offset: int) -> None:
        """Changes the offset of the CFA, in bytes."""
        self.row.cfa_offset = offset

    def set_cfa_expression(self, expression: bytes) -> None:
        """Makes the CFA what an expression computes."""
        self.row.cfa_expression = expression

    def remember(self) -> None:
        """Keeps the row."""
        if len(self.remembered) >= _MOST_STATES:
            raise BadUnwindInfoError("states are remembered without end")
        self.remembered.append(self.row.copy())

    def recall(self) -> None:
        """Brings the row back that was kept last."""
        if not self.remembered:
            raise BadUnwindInfoError("a state is restored that was not remembered")
        self.row = self.remembered.pop()


def _block(cursor: Cursor) -> bytes:
    return cursor.take(cursor.uleb())


def _set_location(_code: int, _cursor: Cursor) -> int:
    raise BadUnwindInfoError("DW_CFA_set_loc, which no compiler for x86-64 writes")


_ADVANCE: dict[int, Callable[[int, Cursor], int]] = {
    CFA.DW_CFA_advance_loc: lambda code, _: code & _OPERAND_BITS,
    CFA.DW_CFA_advance_loc1: lambda _, cursor: cursor.byte(),
    CFA.DW_CFA_advance_loc2: lambda _, cursor: cursor.fixed(_U16),
    CFA.DW_CFA_advance_loc4: lambda _, cursor: cursor.fixed(_U32),
    CFA.DW_CFA_set_loc: _set_location,
}
"""By how many units of code each instruction moves on."""

_DEFINE: dict[int, Callable[[_Machine, int, Cursor], None]] = {
    CFA.DW_CFA_offset: lambda m, low, c: m.set(low, m.offset(c.uleb())),
    CFA.DW_CFA_restore: lambda m, low, _: m.restore(low),
    CFA.DW_CFA_nop: lambda _m, _low, _c: None,
    CFA.DW_CFA_offset_extended: lambda m, _, c: m.set(c.uleb(), m.offset(c.uleb())),
    CFA.DW_CFA_offset_extended_sf: lambda m, _, c: m.set(c.uleb(), m.offset(c.sleb())),
    CFA.DW_CFA_val_offset: lambda m, _, c: m.set(c.uleb(), m.value_offset(c.uleb())),
    CFA.DW_CFA_val_offset_sf: lambda m, _, c: m.set(c.uleb(), m.value_offset(c.sleb())),
    CFA.DW_CFA_restore_extended: lambda m, _, c: m.restore(c.uleb()),
    CFA.DW_CFA_undefined: lambda m, _, c: m.set(c.uleb(), Rule(How.UNDEFINED)),
    CFA.DW_CFA_same_value: lambda m, _, c: m.set(c.uleb(), Rule(How.SAME)),
    CFA.DW_CFA_register: lambda m, _, c: m.set(c.uleb(), Rule(How.REGISTER, c.uleb())),
    CFA.DW_CFA_expression: lambda m, _, c: m.set(c.uleb(), Rule(How.EXPRESSION, expression=_block(c))),
    CFA.DW_CFA_val_expression: lambda m, _, c: m.set(c.uleb(), Rule(How.VALUE_EXPRESSION, expression=_block(c))),
    CFA.DW_CFA_remember_state: lambda m, _low, _c: m.remember(),
    CFA.DW_CFA_restore_state: lambda m, _low, _c: m.recall(),
    CFA.DW_CFA_def_cfa: lambda m, _, c: m.set_cfa(c.uleb(), c.uleb()),
    CFA.DW_CFA_def_cfa_sf: lambda m, _, c: m.set_cfa(c.uleb(), c.sleb() * m.cie.data_factor),
    CFA.DW_CFA_def_cfa_register: lambda m, _, c: m.set_cfa_register(c.uleb()),
    CFA.DW_CFA_def_cfa_offset: lambda m, _, c: m.set_cfa_offset(c.uleb()),
    CFA.DW_CFA_def_cfa_offset_sf: lambda m, _, c: m.set_cfa_offset(c.sleb() * m.cie.data_factor),
    CFA.DW_CFA_def_cfa_expression: lambda m, _, c: m.set_cfa_expression(_block(c)),
    # How many bytes of arguments are on the stack matters to exceptions alone.
    CFA.DW_CFA_GNU_args_size: lambda _m, _low, c: _skip(c),
}
"""What each other instruction does; gets the machine, the operand in the low bits, and a cursor for more operands."""


def _skip(cursor: Cursor) -> None:
    cursor.uleb()
