"""Types that a script names: casts, sizes, offsets."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.folding import exact_kind
from bpfrec.analyze.bpftrace.kinds import U64, Array, Bool, Int, Kind, Pointer, Str, Struct, Tup, Unknown, is_number


class TypeCheck:
    """Checks what is done with types; ``check`` gives the type of an expression."""

    def __init__(self, context: Context, check: Callable[[tree.Expression], Kind]) -> None:
        self.c = context
        self.check = check

    def cast(self, node: tree.Cast) -> Kind:
        """The type of a cast."""
        kind = self.check(node.operand)
        target = self._fitted(self.resolved(node.target), node.operand)
        if isinstance(target, Struct):
            raise Problem(node.span, f'Cannot cast to "struct {target.name}": use a pointer to it')
        if isinstance(kind, Unknown):
            return target
        if isinstance(target, (Int, Bool)) and not (is_number(kind) or isinstance(kind, Pointer)):
            raise Problem(node.span, f'Cannot cast from "{kind}" to "{target}"')
        if isinstance(target, Pointer) and not (is_number(kind) or isinstance(kind, Pointer)):
            raise Problem(node.span, f'Cannot cast from "{kind}" to "{target}"')
        if isinstance(target, Array) and isinstance(kind, Str) and isinstance(target.item, Int):
            return target
        if isinstance(target, Array):
            size, held = self.c.structs.size(target), self.c.structs.size(kind)
            if not isinstance(kind, Int) or size is None or size > 8 or (size != held and not kind.literal):
                raise Problem(node.span, f'Cannot cast from "{kind}" to "{target}"')
        if isinstance(target, Int) and isinstance(kind, Int) and self.c.dialect.old and target.bits == 64:
            return Int(64, target.signed)
        return target

    def resolved(self, written: tree.TypeName) -> Kind:
        """The type that a script names, or that of the expression in ``typeof()``."""
        if written.of is not None:
            self.check(written.of)
        return self.c.structs.resolve(written)

    def _fitted(self, target: Kind, operand: tree.Expression) -> Kind:
        """An array whose length was left open, with that of the value."""
        if not isinstance(target, Array) or target.length:
            return target
        item = self.c.structs.size(target.item) or 1
        if isinstance(operand, tree.String):
            return Array(target.item, len(operand.value.encode("utf-8", "surrogateescape")) + 1)
        size = self.c.structs.size(operand.kind) or 8
        if isinstance(operand, tree.Integer):
            size = next(bits // 8 for bits in (8, 16, 32, 64) if -(1 << (bits - 1)) <= operand.value < 1 << bits)
        return Array(target.item, max(1, size // item))

    def size_of(self, node: tree.SizeOf) -> Kind:
        """The type of sizeof()."""
        if isinstance(node.target, tree.TypeName):
            kind = self.resolved(node.target)
        else:
            self.check(node.target)
            kind = exact_kind(node.target, self.c.dialect)
        if self.c.structs.size(kind) is None and not isinstance(kind, (Tup, Unknown)):
            raise Problem(node.span, f"sizeof: the size of '{kind}' is not known")
        return U64

    def offset_of(self, node: tree.OffsetOf) -> Kind:
        """The type of offsetof(); the offset is noted in the node."""
        self.resolved(node.target)
        self.c.structs.offset(node)
        return U64
