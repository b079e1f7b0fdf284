"""DWARF expressions, as far as unwind tables use them: DWARF 4, chapter 2.5.

PLT entries have one that computes the CFA; signal frames have one for every register.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable

from bpfrec.formats.symbols.dwarf_names import OP
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError, Cursor

ReadMemory = Callable[[int, int], int | None]
"""Reads a number at an address of the process, of so many bytes; None where that was not copied."""

ReadRegister = Callable[[int], int | None]
"""Reads a register by its DWARF number; None where its value is not known."""

_MOST_STEPS = 256
_MOST_DEPTH = 64

_CONSTANTS = {
    OP.DW_OP_addr: struct.Struct("<Q"),
    OP.DW_OP_const1u: struct.Struct("<B"),
    OP.DW_OP_const1s: struct.Struct("<b"),
    OP.DW_OP_const2u: struct.Struct("<H"),
    OP.DW_OP_const2s: struct.Struct("<h"),
    OP.DW_OP_const4u: struct.Struct("<I"),
    OP.DW_OP_const4s: struct.Struct("<i"),
    OP.DW_OP_const8u: struct.Struct("<Q"),
    OP.DW_OP_const8s: struct.Struct("<q"),
}
_JUMP = struct.Struct("<h")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _divide(first: int, second: int) -> int:
    if not second:
        raise BadUnwindInfoError("a division by zero")
    quotient = abs(_signed(first)) // abs(_signed(second))
    return -quotient if (first ^ second) >> 63 else quotient


def _modulo(first: int, second: int) -> int:
    if not second:
        raise BadUnwindInfoError("a division by zero")
    return first % second


def _compare(test: Callable[[int, int], bool]) -> Callable[[int, int], int]:
    return lambda first, second: int(test(_signed(first), _signed(second)))


_BINARY: dict[int, Callable[[int, int], int]] = {
    OP.DW_OP_and: operator.and_,
    OP.DW_OP_div: _divide,
    OP.DW_OP_minus: operator.sub,
    OP.DW_OP_mod: _modulo,
    OP.DW_OP_mul: operator.mul,
    OP.DW_OP_or: operator.or_,
    OP.DW_OP_plus: operator.add,
    OP.DW_OP_shl: lambda first, second: first << second if second < 64 else 0,
    OP.DW_OP_shr: lambda first, second: first >> second if second < 64 else 0,
    OP.DW_OP_shra: lambda first, second: _signed(first) >> min(second, 63),
    OP.DW_OP_xor: operator.xor,
    OP.DW_OP_eq: _compare(operator.eq),
    OP.DW_OP_ge: _compare(operator.ge),
    OP.DW_OP_gt: _compare(operator.gt),
    OP.DW_OP_le: _compare(operator.le),
    OP.DW_OP_lt: _compare(operator.lt),
    OP.DW_OP_ne: _compare(operator.ne),
}
_UNARY: dict[int, Callable[[int], int]] = {
    OP.DW_OP_abs: lambda value: abs(_signed(value)),
    OP.DW_OP_neg: operator.neg,
    OP.DW_OP_not: operator.invert,
}


class Unreadable(Exception):  # noqa: N818 - not a fault of the table: the copy of the stack ends before
    """The value of memory or of a register is needed and not known."""


def evaluate(expression: bytes, register: ReadRegister, read: ReadMemory, initial: int | None = None) -> int:
    """What ``expression`` computes from registers and memory; ``initial`` is pushed first.

    Raises:
        BadUnwindInfoError: the expression is damaged, or takes more than 256 steps.
        Unreadable: it needs memory or a register that is not known.
    """
    cursor = Cursor(expression)
    stack: list[int] = [] if initial is None else [initial & MASK]
    for _ in range(_MOST_STEPS):
        if not cursor:
            return _pop(stack)
        _step(cursor.byte(), cursor, stack, register, read)
        if len(stack) > _MOST_DEPTH:
            raise BadUnwindInfoError("an expression whose stack grows")
    raise BadUnwindInfoError("an expression that does not end")


def _step(operation: int, cursor: Cursor, stack: list[int], register: ReadRegister, read: ReadMemory) -> None:
    if operation in _CONSTANTS:
        stack.append(cursor.fixed(_CONSTANTS[operation]) & MASK)
    elif operation in _BINARY:
        second, first = _pop(stack), _pop(stack)
        stack.append(_BINARY[operation](first, second) & MASK)
    elif operation in _UNARY:
        stack.append(_UNARY[operation](_pop(stack)) & MASK)
    elif OP.DW_OP_lit0 <= operation <= OP.DW_OP_lit31:
        stack.append(operation - OP.DW_OP_lit0)
    elif OP.DW_OP_breg0 <= operation <= OP.DW_OP_breg31:
        stack.append((_known(register, operation - OP.DW_OP_breg0) + cursor.sleb()) & MASK)
    else:
        _step_rarely(operation, cursor, stack, register, read)


def _step_rarely(  # noqa: PLR0912 - a case for each operation
    operation: int, cursor: Cursor, stack: list[int], register: ReadRegister, read: ReadMemory
) -> None:
    match operation:
        case OP.DW_OP_deref:
            stack.append(_load(read, _pop(stack), 8))
        case OP.DW_OP_deref_size:
            stack.append(_load(read, _pop(stack), cursor.byte()))
        case OP.DW_OP_constu:
            stack.append(cursor.uleb())
        case OP.DW_OP_consts:
            stack.append(cursor.sleb() & MASK)
        case OP.DW_OP_dup:
            stack.append(_peek(stack, 0))
        case OP.DW_OP_drop:
            _pop(stack)
        case OP.DW_OP_over:
            stack.append(_peek(stack, 1))
        case OP.DW_OP_pick:
            stack.append(_peek(stack, cursor.byte()))
        case OP.DW_OP_swap:
            first, second = _pop(stack), _pop(stack)
            stack += [first, second]
        case OP.DW_OP_rot:
            first, second, third = _pop(stack), _pop(stack), _pop(stack)
            stack += [first, third, second]
        case OP.DW_OP_plus_uconst:
            stack.append((_pop(stack) + cursor.uleb()) & MASK)
        case OP.DW_OP_bregx:
            stack.append((_known(register, cursor.uleb()) + cursor.sleb()) & MASK)
        case OP.DW_OP_bra | OP.DW_OP_skip:
            distance = cursor.fixed(_JUMP)
            if operation == OP.DW_OP_skip or _pop(stack):
                cursor.position += distance
                if not 0 <= cursor.position <= len(cursor.data):
                    raise BadUnwindInfoError("an expression that jumps out of itself")
        case OP.DW_OP_nop:
            pass
        case _:
            raise BadUnwindInfoError(f"operation {operation:#x} in an expression")


def _pop(stack: list[int]) -> int:
    if not stack:
        raise BadUnwindInfoError("an expression that takes from an empty stack")
    return stack.pop()


def _peek(stack: list[int], depth: int) -> int:
    if depth >= len(stack):
        raise BadUnwindInfoError("an expression that takes from an empty stack")
    return stack[-1 - depth]


def _known(register: ReadRegister, number: int) -> int:
    value = register(number)
    if value is None:
        raise Unreadable
    return value


def _load(read: ReadMemory, address: int, size: int) -> int:
    if size not in (1, 2, 4, 8):
        raise BadUnwindInfoError(f"a load of {size} bytes")
    value = read(address, size)
    if value is None:
        raise Unreadable
    return value
