"""What the source of all expressions of a script shares: where values go, and what is known of numbers."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.emitter import Emitter
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    U64,
    Aggregate,
    Array,
    Bool,
    Bytes,
    Int,
    Kind,
    Pointer,
    Stack,
    Str,
    Struct,
    Symbol,
    Tup,
    is_text,
)
from bpfrec.analyze.bpftrace.probes import Site

_GREATEST = 2**63 - 1


class Making:
    """A script while source is made of it; ``sites`` is where the action at hand runs."""

    def __init__(self, checked: Checked, emitter: Emitter) -> None:
        self.checked = checked
        self.c = checked.context
        self.dialect = checked.context.dialect
        self.out = emitter
        self.sites: list[Site] = []
        self.map_names = {name: f"M{number}" for number, name in enumerate(sorted(checked.maps))}

    def pointee(self, kind: Pointer) -> int:
        """Bytes that a pointer moves when 1 is added."""
        return (self.c.structs.size(kind.to) if kind.to is not None else 1) or 1

    def bounds(self, node: tree.Expression) -> tuple[int, int]:
        """The least and greatest value of a number."""
        match node:
            case tree.Integer():
                return node.value, node.value
            case tree.Name() if node.name in ("nsecs", "elapsed"):
                return 0, _GREATEST
            case tree.Name() if node.name in ("pid", "tid", "uid", "cpu", "ncpus", "cpid", "ppid"):
                return 0, 2**32 - 1
            case tree.Name() if isinstance(node.kind, Int) and node.kind == I64 and constant(node.name) is not None:
                number = constant(node.name) or 0
                return number, number
            case tree.Map() if isinstance(node.kind, (Int, Aggregate)):
                info = self.c.maps[node.name]
                low, high = arithmetic.bounds(number_kind(node.kind))
                if isinstance(info.value, Int):
                    return max(low, min(info.low, 0)), min(high, max(info.high, 0))
                return low, high
            case tree.Binary() if node.operator in ("+", "-", "*", "/", "&", ">>") and isinstance(node.kind, Int):
                low, high = self._raw_bounds(node)
                least, greatest = arithmetic.bounds(node.kind)
                return (low, high) if least <= low and high <= greatest else (least, greatest)
        return arithmetic.bounds(number_kind(node.kind))

    def _raw_bounds(self, node: tree.Binary) -> tuple[int, int]:
        a, b = self.operand_bounds(node.left), self.operand_bounds(node.right)
        if node.operator == "/":
            return (0, a[1]) if a[0] >= 0 and b[0] > 0 else (0, MASK)
        if node.operator == ">>":
            return (0, a[1]) if a[0] >= 0 else (0, MASK)
        return combined(node.operator, a, b)

    def operand_bounds(self, node: tree.Expression) -> tuple[int, int]:
        """The bounds of an operand; a pointer's are those of its address."""
        return (0, MASK) if isinstance(node.kind, Pointer) else self.bounds(node)


def number_kind(kind: Kind) -> Int:
    """The integer that a value reads as."""
    return arithmetic.as_int(kind) if isinstance(kind, (Int, Bool, Aggregate)) else U64


def default(kind: Kind) -> str:
    """Source for what a map that has no such key gives."""
    match kind:
        case Bool():
            return "False"
        case Str() | Symbol():
            return "''"
        case Pointer():
            return "(0, None)"
        case Tup():
            return "(" + "".join(default(item) + ", " for item in kind.items) + ")"
        case Stack():
            return "-1"
        case Bytes():
            return "b''"
        case Array():
            return "''" if is_text(kind) else "(" + "0, " * kind.length + ")"
        case Struct():
            return "(0, None)"
        case _:
            return "0"


def wrapped(code: str, low: int, high: int, kind: Int) -> str:
    """Source for a number between ``low`` and ``high`` converted to ``kind``."""
    least, greatest = arithmetic.bounds(kind)
    if least <= low and high <= greatest:
        return code
    mask = (1 << kind.bits) - 1
    if not kind.signed:
        return f"({code} & {mask})"
    half = 1 << (kind.bits - 1)
    return f"((({code}) + {half} & {mask}) - {half})"


def combined(operator: str, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Bounds of what Python gives for two numbers of these bounds."""
    if operator == "+":
        return a[0] + b[0], a[1] + b[1]
    if operator == "-":
        return a[0] - b[1], a[1] - b[0]
    if operator == "*":
        products = [x * y for x in a for y in b]
        return min(products), max(products)
    if operator == "&" and a[0] >= 0 and b[0] >= 0:
        return 0, min(a[1], b[1])
    if min(a[0], b[0]) >= 0:
        return 0, (1 << max(a[1], b[1]).bit_length()) - 1
    bits = max(x.bit_length() for x in (*a, *b))
    return -(1 << bits), (1 << bits) - 1
