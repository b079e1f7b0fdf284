"""What is printed: formats against values, maps and values of print()."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_expressions import ExpressionCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.folding import constant_value
from bpfrec.analyze.bpftrace.formats import INTEGERS, parse_format
from bpfrec.analyze.bpftrace.kinds import (
    STRING,
    VOID,
    Aggregate,
    Array,
    Bytes,
    Kind,
    Pointer,
    Str,
    Unknown,
    Void,
    is_number,
)


class PrintingCheck:
    """Checks printf(), print() and their like."""

    def __init__(self, expressions: ExpressionCheck) -> None:
        self.c = expressions.c
        self.e = expressions

    def printf(self, node: tree.Call) -> Kind:
        """printf(), errorf(), warnf(): conversions against values."""
        first, *values = node.arguments
        if not isinstance(first, tree.String):
            raise Problem(first.span, f"{node.name}() expects a string literal ({self.e.check(first)} provided)")
        first.kind = STRING
        kinds = [self.e.check(value) for value in values]
        parsed = parse_format(first.value, self.c.dialect)
        wanted = sum(1 + conversion.stars for conversion in parsed.conversions)
        if wanted != len(values):
            few = "Not enough" if wanted > len(values) else "Too many"
            numbers = f"arguments for format string ({len(values)} supplied, {wanted} expected)"
            old = self.c.dialect.old
            raise Problem(node.span, f"{node.name}: {few} {numbers}" if old else f"{few.lower()} {numbers}")
        position = 0
        for conversion in parsed.conversions:
            for _ in range(conversion.stars):
                self._conversion(node, "d", values[position], kinds[position])
                position += 1
            self._conversion(node, conversion.form, values[position], kinds[position])
            position += 1
        return VOID

    def _conversion(self, node: tree.Call, form: str, value: tree.Expression, kind: Kind) -> None:
        if isinstance(kind, Unknown):
            return
        if form in INTEGERS or form == "p":
            if not (is_number(kind) or isinstance(kind, Pointer)):
                what = "pointer" if form == "p" else "integer"
                raise Problem(
                    node.span, f"{node.name}: %{form} specifier expects a value of type {what} ({kind} supplied)"
                )
        elif form == "gr":
            raise Problem(
                node.span, "%gr cannot be replayed: the names of the kernel's allocation flags were not recorded"
            )
        elif form in ("r", "rx", "rh"):
            if not isinstance(kind, (Bytes, Array, Str)):
                raise Problem(
                    node.span, f"{node.name}: %{form} specifier expects a value of type buffer ({kind} supplied)"
                )
        elif isinstance(kind, (Void,)) or (isinstance(kind, Aggregate) and not is_number(kind)):
            raise Problem(value.span, f"{node.name}: %s specifier expects a value of type string ({kind} supplied)")

    def print(self, node: tree.Call) -> Kind:
        """print() of a map, with top and div, or of a value."""
        first, *numbers = node.arguments
        if isinstance(first, tree.Map) and not first.indexed:
            first.kind = self.c.defined(first.name, first.span).value
            for number in numbers:
                self.e.number(number, "print() top and div expect integers")
                if constant_value(number, self.c) is None:
                    raise Problem(number.span, "print() top and div must be literals")
            return VOID
        if numbers:
            raise Problem(node.span, "Non-map print() only takes 1 argument")
        if isinstance(first, tree.Map):
            self.e.maps.keys(first)
            info = self.c.defined(first.name, first.span)
            first.kind = info.value
            info.read = True
            return VOID
        kind = self.e.check(first)
        if isinstance(kind, Void):
            raise Problem(node.span, f"{kind} type passed to print() is not printable")
        return VOID
