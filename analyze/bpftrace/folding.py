"""Values that are known before a script runs."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.kinds import Array, Int, Kind, Tup
from bpfrec.analyze.bpftrace.literals import parameter_value


def folded(node: tree.Expression, dialect: Dialect, kind: Kind) -> int | None:
    """The value of an expression of constants; None where it is not known before it runs."""
    if isinstance(node, tree.Integer):
        return node.value
    if isinstance(node, tree.Binary):
        left, right = (folded(part, dialect, part.kind) for part in (node.left, node.right))
        if left is not None and right is not None:
            return arithmetic.fold(dialect, node.operator, left, right, kind)
    return None


def constant_value(node: tree.Expression, context: Context) -> int | None:
    """The value of a number, or of a positional parameter that is one."""
    if isinstance(node, tree.Integer):
        return node.value
    if isinstance(node, tree.Name):
        return context.enums.get(node.name, constant(node.name))
    if isinstance(node, tree.Parameter):
        if node.number > len(context.parameters):
            return 0
        value = parameter_value(context.parameters[node.number - 1])
        return value if isinstance(value, int) else None
    return None


def exact_kind(node: tree.Expression, dialect: Dialect) -> Kind:
    """The type of an expression, where today's bpftrace gives a constant the narrowest one that holds it."""
    if dialect.old:
        return node.kind
    if isinstance(node, tree.String):
        return Array(Int(8, True), len(node.value.encode("utf-8", "surrogateescape")) + 1)
    if isinstance(node, tree.Tuple):
        return Tup(tuple(exact_kind(item, dialect) for item in node.items))
    value = folded(node, dialect, node.kind)
    fitting = (bits for bits in (8, 16, 32, 64) if value is not None and -(1 << bits - 1) <= value < 1 << bits - 1)
    bits = next(fitting, None)
    return node.kind if bits is None else Int(bits, signed=True)
