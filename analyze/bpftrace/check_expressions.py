"""Types of expressions, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.check_maps import MapCheck
from bpfrec.analyze.bpftrace.check_members import MemberCheck
from bpfrec.analyze.bpftrace.check_names import NameCheck
from bpfrec.analyze.bpftrace.check_operators import OperatorCheck
from bpfrec.analyze.bpftrace.check_types import TypeCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.kinds import (
    BOOL,
    I64,
    STRING,
    UNKNOWN,
    Int,
    Kind,
    Pointer,
    Tup,
    Unknown,
    Void,
    is_number,
    readable,
)
from bpfrec.analyze.bpftrace.walk import ExpressionVisitor

_MOST_OF_OLD = 63
"""Bytes of a string literal in 0.17."""


class ExpressionCheck(ExpressionVisitor[Kind]):
    """Gives expressions their types; ``calls`` knows functions, ``blocks`` statements."""

    def __init__(self, context: Context) -> None:
        self.c = context
        self.names = NameCheck(context)
        self.maps = MapCheck(context, self.check)
        self.types = TypeCheck(context, self.check)
        self.members = MemberCheck(context, self.check)
        self.operators = OperatorCheck(context, self.maps, self.check)
        self.calls: Callable[[tree.Call], Kind] = lambda _call: UNKNOWN
        self.blocks: Callable[[tree.Block, tree.Expression | None], Kind] = lambda _block, _value: Void()

    def check(self, node: tree.Expression) -> Kind:
        """The type of ``node``, which is noted in it.

        Raises:
            Problem: it has none.
        """
        node.kind = self.visit(node)
        return node.kind

    def number(self, node: tree.Expression, what: str) -> Kind:
        """The type of ``node``, which has to be an integer, bool or pointer; unknown ones pass."""
        kind = self.check(node)
        if not is_number(kind) and not isinstance(kind, (Unknown, Pointer)):
            raise Problem(node.span, f"{what}, not '{kind}'")
        return kind

    def integer(self, node: tree.Integer) -> Kind:
        """A number: 0.17 makes it an int64, whatever its suffix."""
        if self.c.dialect.old:
            node.value = arithmetic.wrap(node.value, I64)
            return Int(64, signed=True, literal=node.value >= 0)
        return Int(64, not node.unsigned and node.value < 2**63, literal=node.value >= 0)

    def boolean(self, node: tree.Boolean) -> Kind:
        """true or false, which are numbers in 0.17."""
        del node
        return Int(64, signed=True, literal=True) if self.c.dialect.old else BOOL

    def string(self, node: tree.String) -> Kind:
        """A string literal, of 63 bytes at most in 0.17."""
        if self.c.dialect.old and self.c.final and len(node.value.encode("utf-8", "surrogateescape")) > _MOST_OF_OLD:
            raise Problem(node.span, "String is too long (over 64 bytes): " + node.value)
        return STRING

    def name(self, node: tree.Name) -> Kind:
        """A builtin or a constant."""
        return self.names.name(node)

    def parameter(self, node: tree.Parameter) -> Kind:
        """A positional parameter."""
        return self.names.parameter(node)

    def parameter_count(self, node: tree.ParameterCount) -> Kind:
        """The number of positional parameters."""
        del node
        return I64

    def map(self, node: tree.Map) -> Kind:
        """What a map holds for a key."""
        return self.maps.value(node)

    def variable(self, node: tree.Variable) -> Kind:
        """A variable that is known in its scope."""
        info = self.c.scope.find(node.name)
        if info is None:
            raise Problem(node.span, f"Undefined or undeclared variable: {node.name.split('#')[0]}")
        node.slot = info.slot
        return info.kind

    def field(self, node: tree.Field) -> Kind:
        """A field of args, a struct or a record."""
        return self.members.field(node)

    def item(self, node: tree.Item) -> Kind:
        """An item of a tuple."""
        return self.members.item(node.span, self.check(node.base), node.position)

    def index(self, node: tree.Index) -> Kind:
        """An element of an array, a pointer, a tuple or a string."""
        return self.members.index(node)

    def unary(self, node: tree.Unary) -> Kind:
        """An operator with one operand."""
        return self.operators.unary(node)

    def step(self, node: tree.Step) -> Kind:
        """A step up or down."""
        return self.operators.step(node)

    def binary(self, node: tree.Binary) -> Kind:
        """An operator with two operands."""
        return self.operators.binary(node)

    def conditional(self, node: tree.Conditional) -> Kind:
        """One of two values."""
        return self.operators.conditional(node)

    def cast(self, node: tree.Cast) -> Kind:
        """A value as one of another type."""
        return self.types.cast(node)

    def size_of(self, node: tree.SizeOf) -> Kind:
        """The size of a type or value."""
        return self.types.size_of(node)

    def offset_of(self, node: tree.OffsetOf) -> Kind:
        """The place of a member in a struct."""
        return self.types.offset_of(node)

    def sequence(self, node: tree.Tuple | tree.Record) -> Kind:
        """A tuple or record."""
        names = tuple(node.names) if isinstance(node, tree.Record) else ()
        return Tup(tuple(readable(self.check(item)) for item in node.items), names)

    def call(self, node: tree.Call) -> Kind:
        """What a function gives."""
        return self.calls(node)

    def block_expression(self, node: tree.BlockExpression) -> Kind:
        """The value behind statements."""
        return self.blocks(node.block, node.value)
