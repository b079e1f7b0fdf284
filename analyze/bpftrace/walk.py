"""Goes through a syntax tree, and dispatches on what a node is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Generic, TypeVar

from bpfrec.analyze.bpftrace import tree

T = TypeVar("T")


def walk(value: Any) -> Iterator[tree.Node]:
    """All nodes in ``value``, a node or a collection of nodes, itself among them, in the order of the script."""
    return (node for node, _ in walk_deep(value))


def walk_deep(value: Any) -> Iterator[tuple[tree.Node, int]]:
    """The same with the number of nodes around each; it does not recurse, for a tree may be deep."""
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, tree.Node):
            yield item, depth
            pending += [(getattr(item, part.name), depth + 1) for part in reversed(fields(item))]
        elif isinstance(item, (list, tuple)):
            pending += [(part, depth) for part in reversed(item)]
        elif isinstance(item, dict):
            pending += [(part, depth) for part in reversed(item.values())]


class ExpressionVisitor(ABC, Generic[T]):
    """Has a method for each kind of expression; ``visit`` calls the one that fits."""

    def visit(self, node: tree.Expression) -> T:
        """What the method for the kind of ``node`` gives."""
        match node:
            case tree.Integer():
                return self.integer(node)
            case tree.Boolean():
                return self.boolean(node)
            case tree.String():
                return self.string(node)
            case tree.Name():
                return self.name(node)
            case tree.Parameter():
                return self.parameter(node)
            case tree.ParameterCount():
                return self.parameter_count(node)
            case tree.Map():
                return self.map(node)
            case tree.Variable():
                return self.variable(node)
            case tree.Field():
                return self.field(node)
            case tree.Item():
                return self.item(node)
            case tree.Index():
                return self.index(node)
            case tree.Unary():
                return self.unary(node)
            case tree.Step():
                return self.step(node)
            case tree.Binary():
                return self.binary(node)
            case tree.Conditional():
                return self.conditional(node)
            case tree.Cast():
                return self.cast(node)
            case tree.SizeOf():
                return self.size_of(node)
            case tree.OffsetOf():
                return self.offset_of(node)
            case tree.Tuple() | tree.Record():
                return self.sequence(node)
            case tree.Call():
                return self.call(node)
            case tree.BlockExpression():
                return self.block_expression(node)

    @abstractmethod
    def integer(self, node: tree.Integer) -> T:
        """A number as written."""

    @abstractmethod
    def boolean(self, node: tree.Boolean) -> T:
        """true or false."""

    @abstractmethod
    def string(self, node: tree.String) -> T:
        """A string literal."""

    @abstractmethod
    def name(self, node: tree.Name) -> T:
        """A builtin or a constant."""

    @abstractmethod
    def parameter(self, node: tree.Parameter) -> T:
        """A positional parameter."""

    @abstractmethod
    def parameter_count(self, node: tree.ParameterCount) -> T:
        """The number of positional parameters."""

    @abstractmethod
    def map(self, node: tree.Map) -> T:
        """What a map holds for a key."""

    @abstractmethod
    def variable(self, node: tree.Variable) -> T:
        """A variable."""

    @abstractmethod
    def field(self, node: tree.Field) -> T:
        """A field of args, a struct or a record."""

    @abstractmethod
    def item(self, node: tree.Item) -> T:
        """An item of a tuple."""

    @abstractmethod
    def index(self, node: tree.Index) -> T:
        """An element of an array, a pointer, a tuple or a string."""

    @abstractmethod
    def unary(self, node: tree.Unary) -> T:
        """An operator with one operand."""

    @abstractmethod
    def step(self, node: tree.Step) -> T:
        """A step up or down."""

    @abstractmethod
    def binary(self, node: tree.Binary) -> T:
        """An operator with two operands."""

    @abstractmethod
    def conditional(self, node: tree.Conditional) -> T:
        """One of two values."""

    @abstractmethod
    def cast(self, node: tree.Cast) -> T:
        """A value as one of another type."""

    @abstractmethod
    def size_of(self, node: tree.SizeOf) -> T:
        """The size of a type or value."""

    @abstractmethod
    def offset_of(self, node: tree.OffsetOf) -> T:
        """The place of a member in a struct."""

    @abstractmethod
    def sequence(self, node: tree.Tuple | tree.Record) -> T:
        """A tuple or record."""

    @abstractmethod
    def call(self, node: tree.Call) -> T:
        """What a function gives."""

    @abstractmethod
    def block_expression(self, node: tree.BlockExpression) -> T:
        """The value behind statements."""
