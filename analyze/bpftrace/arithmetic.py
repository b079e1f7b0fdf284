"""What integers of which type give, per version: widths, signs, bounds. The one place where both back ends look."""

from __future__ import annotations

from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.kinds import BOOL, I64, U64, Aggregate, Bool, Int, Kind

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
LOGICAL = frozenset({"&&", "||"})
SHIFTS = frozenset({"<<", ">>"})

MASK = 2**64 - 1


def as_int(kind: Kind) -> Int:
    """The integer that a value is as an operand: a bool is one of 8 bits, an aggregation one of 64."""
    if isinstance(kind, Aggregate):
        return I64 if kind.signed else U64
    return kind if isinstance(kind, Int) else Int(8, False)


def wrap(value: int, kind: Int) -> int:
    """``value`` converted to ``kind`` as C does: its low bits."""
    value &= (1 << kind.bits) - 1
    return value - (1 << kind.bits) if kind.signed and value >> (kind.bits - 1) else value


def bounds(kind: Kind) -> tuple[int, int]:
    """The least and greatest value of a type."""
    if isinstance(kind, Bool):
        return 0, 1
    if not isinstance(kind, Int):
        return 0, MASK
    if kind.signed:
        return -(1 << (kind.bits - 1)), (1 << (kind.bits - 1)) - 1
    return 0, (1 << kind.bits) - 1


def truth(dialect: Dialect) -> Kind:
    """The type of a comparison."""
    return U64 if dialect.old else BOOL


def common_sign(dialect: Dialect, operator: str, left: Kind, right: Kind) -> bool:
    """Whether ``left operator right`` is done with signs, and compared with signs.

    A constant that is not negative takes the sign of the other side. Of different signs, 0.17 makes an unsigned result
    and today's bpftrace a signed one; a difference is always signed today.
    """
    a, b = as_int(left), as_int(right)
    if a.literal and b.literal:
        return a.signed or b.signed
    if not dialect.old and operator == "-":
        return True
    if a.literal and not b.signed:
        return False
    if b.literal and not a.signed:
        return False
    return (a.signed and b.signed) if dialect.old else (a.signed or b.signed)


def result_kind(dialect: Dialect, operator: str, left: Kind, right: Kind) -> Kind:
    """The type of ``left operator right`` for integers."""
    if operator in COMPARISONS or operator in LOGICAL:
        return truth(dialect)
    if operator in SHIFTS:
        both = as_int(left).literal and as_int(right).literal
        return Int(64, as_int(left).signed, both)
    literal = as_int(left).literal and as_int(right).literal
    return Int(64, common_sign(dialect, operator, left, right), literal)


def unary_kind(dialect: Dialect, operator: str, operand: Kind) -> Kind:
    """The type of ``operator operand`` for an integer."""
    kind = as_int(operand)
    if operator == "!":
        return truth(dialect)
    if operator == "~" and kind.literal and not dialect.old:
        return U64
    if operator == "-" and kind.literal:
        return I64
    return Int(kind.bits, kind.signed)


def meet(dialect: Dialect, first: Kind, second: Kind) -> Kind:
    """The type that holds values of both integers: of both sides of ``?:``, of a map that is assigned both."""
    a, b = as_int(first), as_int(second)
    if a == b:
        return a
    if a.literal and not b.literal:
        return b
    if b.literal and not a.literal:
        return a
    signed = a.signed if dialect.old else a.signed or b.signed
    return Int(max(a.bits, b.bits), signed, a.literal and b.literal)


def chosen(dialect: Dialect, yes: Kind, no: Kind) -> Kind:
    """The type of ``condition ? yes : no`` of two integers; in 0.17 the first one says the sign."""
    if isinstance(yes, Bool) and isinstance(no, Bool):
        return yes
    met = as_int(meet(dialect, yes, no))
    literal = as_int(yes).literal or as_int(no).literal
    signed = as_int(yes).signed if dialect.old else met.signed
    return Int(64 if literal else met.bits, signed, met.literal)


def fold(dialect: Dialect, operator: str, left: int, right: int, kind: Kind) -> int | None:
    """The value of an operation on two constants; None where nothing can be said before it runs."""
    if operator in ("/", "%"):
        if right == 0:
            return None
        if dialect.old:
            left, right = left & MASK, right & MASK
            result = left // right if operator == "/" else left % right
        else:
            quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            result = quotient if operator == "/" else left - quotient * right
        return wrap(result, as_int(kind))
    if operator in SHIFTS:
        shift = right & 63
        # Of constants, today's bpftrace keeps the sign; what runs as BPF does not.
        shifted = (left & MASK if dialect.old else left) >> shift
        return wrap(left << shift if operator == "<<" else shifted, as_int(kind))
    value = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "&": left & right,
        "|": left | right,
        "^": left ^ right,
    }.get(operator)
    return None if value is None else wrap(value, as_int(kind))
