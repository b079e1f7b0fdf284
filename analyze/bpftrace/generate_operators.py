"""Python source for operations: arithmetic, comparisons, conditions, steps."""

from __future__ import annotations

from typing import Protocol

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.folding import folded
from bpfrec.analyze.bpftrace.generate_members import MemberSource
from bpfrec.analyze.bpftrace.generate_shared import Making, combined, default, number_kind, wrapped
from bpfrec.analyze.bpftrace.kinds import I64, U64, Aggregate, Bool, Int, Kind, Pointer, Str

_TOP = 2**63


class Operands(Protocol):
    """Makes source of the expressions that are operated on."""

    def value(self, node: tree.Expression) -> str:
        """Source for the value of ``node``."""

    def number(self, node: tree.Expression, kind: Int) -> str:
        """Source for a number converted to ``kind``."""

    def stored(self, node: tree.Expression, kind: Kind) -> str:
        """Source for a value as one of ``kind`` is held."""

    def key(self, node: tree.Map) -> str:
        """Source for the key of a map."""


class OperatorSource:
    """Makes source of operations."""

    def __init__(self, making: Making, members: MemberSource, operands: Operands) -> None:
        self.making = making
        self.c = making.c
        self.dialect = making.dialect
        self.out = making.out
        self.members = members
        self.e = operands

    def unary(self, node: tree.Unary) -> str:
        """Source for an operation on one operand."""
        if node.operator == "*":
            return self.members.loaded(self.e.value(node.operand), node.kind)
        if node.operator == "!":
            code = f"(not {self.condition(node.operand)})"
            return f"int({code})" if self.dialect.old else code
        assert isinstance(node.kind, Int)
        code, (low, high) = self.e.value(node.operand), self.making.bounds(node.operand)
        if node.operator == "~":
            return wrapped(f"(~{code})", ~high, ~low, node.kind)
        if node.operator == "-":
            return wrapped(f"(-{code})", -high, -low, node.kind)
        return code

    def step(self, node: tree.Step) -> str:
        """A step whose value is used: done before, and the old or new value kept."""
        name = self.out.temporary()
        sign = "+" if node.operator == "++" else "-"
        if isinstance(node.target, tree.Map):
            kind = self.c.maps[node.target.name].value
            key = self.out.temporary()
            self.out.line(f"{key} = {self.e.key(node.target)}")
            place = f"{self.making.map_names[node.target.name]}[{key}]"
            self.out.line(f"{name} = {self.making.map_names[node.target.name]}.get({key}, {default(kind)})")
        else:
            assert isinstance(node.target, tree.Variable)
            kind, place = node.target.kind, node.target.slot
            self.out.line(f"{name} = {place}")
        if isinstance(kind, Pointer):
            stepped = f"P.moved({name}, {sign}{self.making.pointee(kind)})"
        else:
            low, high = arithmetic.bounds(Int(64, number_kind(kind).signed))
            stepped = wrapped(f"({name} {sign} 1)", low - 1, high + 1, Int(64, number_kind(kind).signed))
        if node.prefix:
            self.out.line(f"{place} = {name} = {stepped}")
        else:
            self.out.line(f"{place} = {stepped}")
        return name

    def binary(self, node: tree.Binary) -> str:
        """Source for an operation on two operands."""
        operator = node.operator
        if operator in arithmetic.COMPARISONS or operator in arithmetic.LOGICAL:
            code = self._truth(node)
            return f"(1 if {code} else 0)" if self.dialect.old else f"bool({code})"
        if isinstance(node.kind, Str):
            return f"F.tail({self.e.value(node.left)}, {self.e.value(node.right)})"
        if isinstance(node.kind, Pointer):
            pointer, other = (node.left, node.right) if isinstance(node.left.kind, Pointer) else (node.right, node.left)
            assert isinstance(pointer.kind, Pointer)
            sign = "-" if operator == "-" else ""
            size = self.making.pointee(pointer.kind)
            return f"P.moved({self.e.value(pointer)}, {sign}({self.e.value(other)}) * {size})"
        return self.operation(operator, node.left, node.right, number_kind(node.kind), node.span)

    def operation(self, operator: str, left: tree.Expression, right: tree.Expression, kind: Int, span: Span) -> str:
        """Source for arithmetic on two expressions, converted to ``kind``."""
        known = [folded(part, self.dialect, part.kind) for part in (left, right)]
        if known[0] is not None and known[1] is not None:
            value = arithmetic.fold(self.dialect, operator, known[0], known[1], kind)
            if value is not None:
                return f"({value})"
        a, b = self._operand(left), self._operand(right)
        bounds = self.making.operand_bounds(left), self.making.operand_bounds(right)
        return self.compute(operator, a, bounds[0], b, bounds[1], kind, span)

    def compute(
        self, operator: str, a: str, a_bounds: tuple[int, int], b: str, b_bounds: tuple[int, int], kind: Int, span: Span
    ) -> str:
        """Source for arithmetic on two pieces of source whose bounds are known; ``span`` is where it stands."""
        if operator in ("/", "%"):
            dividend = wrapped(a, *a_bounds, U64)
            divisor = wrapped(b, *b_bounds, U64)
            symbol = "//" if operator == "/" else "%"
            if b_bounds[0] > 0:
                code = f"({dividend} {symbol} {divisor})"
            else:
                name = "divide" if operator == "/" else "modulo"
                code = f"S.{name}({dividend}, {divisor}, {self.out.constant((span,))})"
            return wrapped(code, 0, MASK if a_bounds[0] < 0 else a_bounds[1], kind)
        if operator == "<<":
            shift = str(int(b) & 63) if b.isdigit() else f"({b} & 63)"
            return wrapped(f"({a} << {shift})", -(2**127), 2**127, kind)
        if operator == ">>":
            shift = str(int(b) & 63) if b.isdigit() else f"({b} & 63)"
            return wrapped(f"({wrapped(a, *a_bounds, U64)} >> {shift})", 0, MASK, kind)
        low, high = combined(operator, a_bounds, b_bounds)
        return wrapped(f"({a} {operator} {b})", low, high, kind)

    def _operand(self, node: tree.Expression) -> str:
        return f"{self.e.value(node)}[0]" if isinstance(node.kind, Pointer) else self.e.value(node)

    def condition(self, node: tree.Expression) -> str:
        """Source that is true where ``node`` is not zero."""
        if isinstance(node, tree.Binary) and (
            node.operator in arithmetic.COMPARISONS or node.operator in arithmetic.LOGICAL
        ):
            return self._truth(node)
        if isinstance(node, tree.Unary) and node.operator == "!":
            return f"(not {self.condition(node.operand)})"
        if isinstance(node.kind, Pointer):
            return f"{self.e.value(node)}[0]"
        return self.e.value(node)

    def _truth(self, node: tree.Binary) -> str:
        operator = node.operator
        if operator in arithmetic.LOGICAL:
            return self._logical(node)
        left, right = node.left, node.right
        if isinstance(left.kind, Pointer) or isinstance(right.kind, Pointer):
            return f"({self._operand(left)} {operator} {self._operand(right)})"
        if not isinstance(left.kind, (Int, Bool, Aggregate)):
            return f"({self.e.value(left)} {operator} {self.e.value(right)})"
        a, b = self.making.bounds(left), self.making.bounds(right)
        if operator in ("==", "!="):
            differ = min(a[0], b[0]) < 0 and max(a[1], b[1]) >= _TOP
            kind = U64 if differ else None
        else:
            signed = arithmetic.common_sign(self.dialect, operator, left.kind, right.kind)
            kind = I64 if signed else U64
        if kind is None:
            return f"({self.e.value(left)} {operator} {self.e.value(right)})"
        return f"({self.e.number(left, kind)} {operator} {self.e.number(right, kind)})"

    def _logical(self, node: tree.Binary) -> str:
        word = "and" if node.operator == "&&" else "or"
        left = self.condition(node.left)
        with self.out.captured() as lines:
            right = self.condition(node.right)
        if not lines:
            return f"({left} {word} {right})"
        name = self.out.temporary()
        self.out.line(f"{name} = {left}")
        self.out.line(f"if {'' if word == 'and' else 'not '}{name}:")
        self.out.lines += ["    " + line for line in lines]
        self.out.line(f"    {name} = {right}")
        return name

    def conditional(self, node: tree.Conditional) -> str:
        """Source for one of two values."""
        kind = node.kind
        yes_node = node.condition if node.yes is None else node.yes
        condition = self.condition(node.condition)
        with self.out.captured() as first:
            yes = self._chosen(yes_node, kind)
        with self.out.captured() as second:
            no = self._chosen(node.no, kind)
        if not first and not second:
            return f"({yes} if {condition} else {no})"
        name = self.out.temporary()
        for head, lines, code in ((f"if {condition}:", first, yes), ("else:", second, no)):
            self.out.line(head)
            self.out.lines += ["    " + line for line in lines]
            self.out.line(f"    {name} = {code}")
        return name

    def _chosen(self, node: tree.Expression, kind: Kind) -> str:
        return (
            self.widened(node, kind)
            if isinstance(kind, Int) and isinstance(node.kind, Int)
            else self.e.stored(node, kind)
        )

    def widened(self, node: tree.Expression, kind: Int) -> str:
        """A number in a cast or behind ``?``: 0.17 extends it by the sign of the type that it becomes."""
        own = node.kind
        if self.dialect.old and isinstance(own, Int) and own.signed != kind.signed and own.bits < kind.bits:
            return wrapped(self.e.value(node), *self.making.bounds(node), Int(own.bits, kind.signed))
        return self.e.number(node, kind)
