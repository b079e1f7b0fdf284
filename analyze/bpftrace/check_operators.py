"""Types of operations."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.check_maps import MapCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.folding import folded
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    STRING,
    U64,
    UNKNOWN,
    Array,
    Bytes,
    Int,
    Kind,
    Pointer,
    Tup,
    Unknown,
    is_number,
    is_text,
    readable,
)


class OperatorCheck:
    """Gives operations their types; ``check`` gives the type of an expression."""

    def __init__(self, context: Context, maps: MapCheck, check: Callable[[tree.Expression], Kind]) -> None:
        self.c = context
        self.maps = maps
        self.check = check

    def unary(self, node: tree.Unary) -> Kind:
        """The type of an operation on one operand."""
        kind = self.check(node.operand)
        if isinstance(kind, Unknown):
            return UNKNOWN
        if node.operator == "*":
            if not isinstance(kind, Pointer) or kind.to is None:
                raise Problem(node.span, f"Can not dereference type '{kind}'. The type must be a pointer")
            return kind.to
        if node.operator == "&":
            raise Problem(node.span, "the address of a map or variable cannot be replayed")
        if isinstance(kind, Pointer) and node.operator == "!":
            return arithmetic.truth(self.c.dialect)
        if not (is_number(kind) if node.operator == "!" else isinstance(kind, Int)):
            raise Problem(node.span, f"The {node.operator} operator can not be used on expressions of type '{kind}'")
        return arithmetic.unary_kind(self.c.dialect, node.operator, kind)

    def step(self, node: tree.Step) -> Kind:
        """The type of a step up or down."""
        target = node.target
        kind: Kind
        if isinstance(target, tree.Map):
            info = self.maps.keys(target)
            if isinstance(info.value, Unknown):
                info.value = I64
                self.c.changed = True
            kind = info.value
            self.maps.widen(info, -(2**63), 2**63 - 1)
        elif isinstance(target, tree.Variable):
            kind = self.check(target)
        else:
            raise Problem(node.span, f"The {node.operator} operator must be applied to a map or variable")
        if not isinstance(kind, (Int, Pointer, Unknown)):
            raise Problem(node.span, f"The {node.operator} operator can not be used on expressions of type '{kind}'")
        target.kind = kind
        return readable(kind)

    def binary(self, node: tree.Binary) -> Kind:
        """The type of an operation on two operands."""
        left, right = self.check(node.left), self.check(node.right)
        operator = node.operator
        if isinstance(left, Unknown) or isinstance(right, Unknown):
            is_truth = operator in arithmetic.COMPARISONS or operator in arithmetic.LOGICAL
            return arithmetic.truth(self.c.dialect) if is_truth else UNKNOWN
        if is_number(left) and is_number(right):
            self._warn_signs(node, left, right)
            kind = arithmetic.result_kind(self.c.dialect, operator, left, right)
            if isinstance(kind, Int) and kind.literal:
                value = folded(node, self.c.dialect, kind)
                kind = Int(64, kind.signed, value is not None and value >= 0)
            return kind
        if operator in arithmetic.LOGICAL and all(is_number(k) or isinstance(k, Pointer) for k in (left, right)):
            return arithmetic.truth(self.c.dialect)
        if isinstance(left, Pointer) or isinstance(right, Pointer):
            return self._pointers(node, left, right)
        if operator == "+" and isinstance(node.left, tree.Parameter) and is_text(left) and is_number(right):
            return STRING
        if operator in ("==", "!=") and is_text(left) and is_text(right):
            return arithmetic.truth(self.c.dialect)
        if operator in ("==", "!=") and type(left) is type(right) and isinstance(left, (Tup, Array, Bytes)):
            return arithmetic.truth(self.c.dialect)
        if is_text(left) != is_text(right) or operator in ("==", "!="):
            raise Problem(node.span, f"Type mismatch for '{operator}': comparing '{left}' with '{right}'")
        raise Problem(node.span, f"The {operator} operator can not be used on expressions of types '{left}', '{right}'")

    def _warn_signs(self, node: tree.Binary, left: Kind, right: Kind) -> None:
        if node.operator in ("/", "%"):
            a, b = arithmetic.as_int(left), arithmetic.as_int(right)
            if a.signed and not a.literal and (b.signed or b.literal):
                self.c.warn(
                    node.span,
                    f"signed operands for '{node.operator}' can lead to undefined behavior (cast to unsigned to "
                    "silence warning)",
                )

    def _pointers(self, node: tree.Binary, left: Kind, right: Kind) -> Kind:
        if node.operator in arithmetic.COMPARISONS:
            return arithmetic.truth(self.c.dialect)
        if node.operator in ("+", "-") and isinstance(left, Pointer) and is_number(right):
            return left
        if node.operator == "+" and isinstance(right, Pointer) and is_number(left):
            return right
        if node.operator == "-" or self.c.dialect.old:
            return U64
        raise Problem(
            node.span, f"The {node.operator} operator can not be used on expressions of types '{left}', '{right}'"
        )

    def conditional(self, node: tree.Conditional) -> Kind:
        """The type of ``condition ? yes : no``."""
        condition = self.check(node.condition)
        if not is_number(condition) and not isinstance(condition, (Pointer, Unknown)):
            raise Problem(node.condition.span, f"Invalid condition in ternary: {condition}")
        yes = condition if node.yes is None else self.check(node.yes)
        no = self.check(node.no)
        if isinstance(yes, Unknown) or isinstance(no, Unknown):
            return no if isinstance(yes, Unknown) else yes
        if is_number(yes) and is_number(no):
            return yes if yes == no else arithmetic.chosen(self.c.dialect, yes, no)
        if is_text(yes) and is_text(no):
            return STRING
        if type(yes) is not type(no):
            raise Problem(
                node.span,
                f"Ternary operator must return the same type: have '{yes}' and '{no}'",
            )
        return yes
