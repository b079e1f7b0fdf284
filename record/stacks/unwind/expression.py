"""DWARF expressions, as far as unwind tables use them: DWARF 4, chapter 2.5.

PLT entries have one for where their frame is, signal frames have one for every register.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable

from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError, Cursor

ReadMemory = Callable[[int, int], int | None]
"""The number of so many bytes at an address of the process; None where that was not copied."""

ReadRegister = Callable[[int], int | None]
"""The value of a register by its DWARF number; None where it is not known."""

_MOST_STEPS = 256
_MOST_DEPTH = 64

_CONSTANTS = {
    0x03: struct.Struct("<Q"),
    0x08: struct.Struct("<B"),
    0x09: struct.Struct("<b"),
    0x0A: struct.Struct("<H"),
    0x0B: struct.Struct("<h"),
    0x0C: struct.Struct("<I"),
    0x0D: struct.Struct("<i"),
    0x0E: struct.Struct("<Q"),
    0x0F: struct.Struct("<q"),
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
    0x1A: operator.and_,
    0x1B: _divide,
    0x1C: operator.sub,
    0x1D: _modulo,
    0x1E: operator.mul,
    0x21: operator.or_,
    0x22: operator.add,
    0x24: lambda first, second: first << second if second < 64 else 0,
    0x25: lambda first, second: first >> second if second < 64 else 0,
    0x26: lambda first, second: _signed(first) >> min(second, 63),
    0x27: operator.xor,
    0x29: _compare(operator.eq),
    0x2A: _compare(operator.ge),
    0x2B: _compare(operator.gt),
    0x2C: _compare(operator.le),
    0x2D: _compare(operator.lt),
    0x2E: _compare(operator.ne),
}
_UNARY: dict[int, Callable[[int], int]] = {
    0x19: lambda value: abs(_signed(value)),
    0x1F: operator.neg,
    0x20: operator.invert,
}


class Unreadable(Exception):  # noqa: N818 - no fault of the tables: the copy of the stack does not reach that far
    """Memory or a register that is needed is not known."""


def evaluate(expression: bytes, register: ReadRegister, read: ReadMemory, initial: int | None = None) -> int:
    """What ``expression`` computes from registers and memory; ``initial`` is pushed first.

    Raises:
        BadUnwindInfoError: it is no expression that computes something in bounded time.
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
    elif 0x30 <= operation <= 0x4F:
        stack.append(operation - 0x30)
    elif 0x70 <= operation <= 0x8F:
        stack.append((_known(register, operation - 0x70) + cursor.sleb()) & MASK)
    else:
        _step_rarely(operation, cursor, stack, register, read)


def _step_rarely(  # noqa: PLR0912 - a case for each operation
    operation: int, cursor: Cursor, stack: list[int], register: ReadRegister, read: ReadMemory
) -> None:
    match operation:
        case 0x06:
            stack.append(_load(read, _pop(stack), 8))
        case 0x94:
            stack.append(_load(read, _pop(stack), cursor.byte()))
        case 0x10:
            stack.append(cursor.uleb())
        case 0x11:
            stack.append(cursor.sleb() & MASK)
        case 0x12:
            stack.append(_peek(stack, 0))
        case 0x13:
            _pop(stack)
        case 0x14:
            stack.append(_peek(stack, 1))
        case 0x15:
            stack.append(_peek(stack, cursor.byte()))
        case 0x16:
            first, second = _pop(stack), _pop(stack)
            stack += [first, second]
        case 0x17:
            first, second, third = _pop(stack), _pop(stack), _pop(stack)
            stack += [first, third, second]
        case 0x23:
            stack.append((_pop(stack) + cursor.uleb()) & MASK)
        case 0x92:
            stack.append((_known(register, cursor.uleb()) + cursor.sleb()) & MASK)
        case 0x28 | 0x2F:
            distance = cursor.fixed(_JUMP)
            if operation == 0x2F or _pop(stack):
                cursor.position += distance
                if not 0 <= cursor.position <= len(cursor.data):
                    raise BadUnwindInfoError("an expression that jumps out of itself")
        case 0x96:
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
