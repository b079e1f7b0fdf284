"""What several functions ask of their arguments."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_expressions import ExpressionCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.folding import constant_value
from bpfrec.analyze.bpftrace.kinds import Unknown, is_text


class ArgumentCheck:
    """Checks single arguments."""

    def __init__(self, expressions: ExpressionCheck) -> None:
        self.c = expressions.c
        self.e = expressions

    def number(self, node: tree.Expression, name: str) -> int:
        """The value of an argument of ``name`` that has to be a number known before the script runs."""
        self.e.check(node)
        value = constant_value(node, self.c)
        if value is None:
            raise Problem(node.span, f"{name}() expects a literal here")
        return value

    def string(self, node: tree.Call, position: int) -> str:
        """The argument at ``position``, which has to be a string literal."""
        argument = node.arguments[position]
        self.e.check(argument)
        if not isinstance(argument, tree.String):
            raise Problem(argument.span, f"{node.name}() expects a string literal ({argument.kind} provided)")
        return argument.value

    def text(self, node: tree.Expression, name: str) -> None:
        """Refuses an argument of ``name`` that is no string."""
        kind = self.e.check(node)
        if not is_text(kind) and not isinstance(kind, Unknown):
            raise Problem(node.span, f"{name}() expects a string, not '{kind}'")
