"""Python source for expressions. A value stands there as ``kinds`` says that it is held."""

from __future__ import annotations

from collections.abc import Callable

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.folding import exact_kind
from bpfrec.analyze.bpftrace.generate_members import MemberSource
from bpfrec.analyze.bpftrace.generate_names import NameSource
from bpfrec.analyze.bpftrace.generate_operators import OperatorSource
from bpfrec.analyze.bpftrace.generate_shared import Making, default, wrapped
from bpfrec.analyze.bpftrace.kinds import U64, Aggregate, Array, Bool, Int, Kind, Pointer, Str, Struct, Tup
from bpfrec.analyze.bpftrace.walk import ExpressionVisitor

_MOST_BRACKETS = 50
"""Source with more gets a name: Python's parser takes 200 within each other."""


class ExpressionSource(ExpressionVisitor[str]):
    """Makes source of expressions; ``calls`` makes that of functions, ``statements`` adds that of statements."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.c = making.c
        self.out = making.out
        self.names = NameSource(making)
        self.members = MemberSource(making, self.value)
        self.operators = OperatorSource(making, self.members, self)
        self.calls: Callable[[tree.Call], str] = lambda _node: ""
        self.statements: Callable[[tree.Block], None] = lambda _block: None
        self.condition = self.operators.condition

    def value(self, node: tree.Expression) -> str:
        """Source for the value of ``node``."""
        code = self.visit(node)
        if code.count("(") < _MOST_BRACKETS:
            return code
        name = self.out.temporary()
        self.out.line(f"{name} = {code}")
        return name

    def number(self, node: tree.Expression, kind: Int) -> str:
        """Source for a number converted to ``kind``; a pointer's is its address."""
        if isinstance(node.kind, (Pointer, Struct)):
            return wrapped(f"{self.value(node)}[0]", 0, MASK, kind)
        code = self.value(node)
        return wrapped(code, *self.making.bounds(node), kind)

    def stored(self, node: tree.Expression, kind: Kind) -> str:
        """Source for a value as one of ``kind`` is held, which it becomes."""
        if isinstance(kind, Int) and isinstance(node.kind, (Int, Bool, Aggregate, Pointer)):
            code = self.number(node, Int(kind.bits, kind.signed))
            return f"int({code})" if isinstance(node.kind, Bool) else code
        if isinstance(kind, Bool) and isinstance(node.kind, Int):
            return f"bool({self.value(node)})"
        if isinstance(kind, Pointer) and isinstance(node.kind, Int):
            return f"({self.number(node, U64)}, None)"
        if isinstance(kind, Tup) and isinstance(node.kind, Tup) and kind.names != node.kind.names:
            name = self.out.temporary()
            self.out.line(f"{name} = {self.value(node)}")
            return "(" + "".join(f"{name}[{node.kind.names.index(field)}], " for field in kind.names) + ")"
        return self.value(node)

    def key(self, node: tree.Map) -> str:
        """Source for the key of a map: one value, a tuple of several, None of none."""
        kinds = self.c.maps[node.name].keys or ()
        parts = [self._key_part(key, kind) for key, kind in zip(node.keys, kinds, strict=True)]
        if not parts:
            return "None"
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def _key_part(self, node: tree.Expression, kind: Kind) -> str:
        if isinstance(node.kind, (Pointer, Struct)):
            return f"{self.value(node)}[0]"
        if isinstance(kind, Int) and isinstance(node.kind, (Int, Bool, Aggregate)):
            signed = True if self.making.dialect.old else kind.signed
            code = self.number(node, Int(64, signed))
            return f"int({code})" if isinstance(node.kind, Bool) else code
        return self.value(node)

    # -- kinds of expressions

    def integer(self, node: tree.Integer) -> str:
        """A number."""
        return str(node.value) if node.value >= 0 else f"({node.value})"

    def boolean(self, node: tree.Boolean) -> str:
        """true or false."""
        return str(node.value if isinstance(node.kind, Bool) else int(node.value))

    def string(self, node: tree.String) -> str:
        """A string literal."""
        return repr(node.value)

    def name(self, node: tree.Name) -> str:
        """A builtin or a constant."""
        return self.names.name(node)

    def parameter(self, node: tree.Parameter) -> str:
        """A positional parameter."""
        return self.names.parameter(node)

    def parameter_count(self, node: tree.ParameterCount) -> str:
        """The number of positional parameters."""
        del node
        return str(len(self.c.parameters))

    def map(self, node: tree.Map) -> str:
        """What a map holds for a key."""
        kind, name = self.c.maps[node.name].value, self.making.map_names[node.name]
        if isinstance(kind, Aggregate):
            return f"S.read_{kind.form}({name}, {self.key(node)}, {kind.signed})"
        return f"{name}.get({self.key(node)}, {default(kind)})"

    def variable(self, node: tree.Variable) -> str:
        """A variable."""
        return node.slot

    def field(self, node: tree.Field) -> str:
        """A field of args, a struct or a record."""
        return self.members.field(node)

    def item(self, node: tree.Item) -> str:
        """An item of a tuple."""
        return f"{self.value(node.base)}[{node.position}]"

    def index(self, node: tree.Index) -> str:
        """An element of an array, a pointer, a tuple or a string."""
        return self.members.index(node)

    def unary(self, node: tree.Unary) -> str:
        """An operator with one operand."""
        return self.operators.unary(node)

    def step(self, node: tree.Step) -> str:
        """A step up or down."""
        return self.operators.step(node)

    def binary(self, node: tree.Binary) -> str:
        """An operator with two operands."""
        return self.operators.binary(node)

    def conditional(self, node: tree.Conditional) -> str:
        """One of two values."""
        return self.operators.conditional(node)

    def cast(self, node: tree.Cast) -> str:
        """A value as one of another type."""
        kind = node.kind
        match kind:
            case Bool():
                return f"({self.condition(node.operand)} != 0)"
            case Int():
                target = self.c.structs.resolve(node.target)
                assert isinstance(target, Int)
                code = self.operators.widened(node.operand, target)
                if isinstance(node.operand.kind, Bool):
                    return f"int({code})"
                return code
            case Pointer() if not isinstance(node.operand.kind, Pointer):
                return f"({self.number(node.operand, U64)}, None)"
            case Array() if isinstance(node.operand.kind, Str):
                return f"F.characters({self.value(node.operand)}, {self.out.constant(kind)})"
            case Array():
                return f"F.split({self.number(node.operand, U64)}, {self.out.constant(kind)})"
        return self.value(node.operand)

    def size_of(self, node: tree.SizeOf) -> str:
        """The size of a type or value."""
        target = node.target
        if isinstance(target, tree.TypeName):
            kind = self.c.structs.resolve(target)
        else:
            kind = exact_kind(target, self.making.dialect)
        return str(self.c.structs.size(kind) or 8)

    def offset_of(self, node: tree.OffsetOf) -> str:
        """The place of a member in a struct."""
        return str(self.c.structs.offset(node))

    def sequence(self, node: tree.Tuple | tree.Record) -> str:
        """A tuple or record."""
        kinds = node.kind.items if isinstance(node.kind, Tup) else ()
        items = (self.stored(item, kind) for item, kind in zip(node.items, kinds, strict=True))
        return "(" + "".join(item + ", " for item in items) + ")"

    def call(self, node: tree.Call) -> str:
        """What a function gives."""
        return self.calls(node)

    def block_expression(self, node: tree.BlockExpression) -> str:
        """The value behind statements."""
        self.statements(node.block)
        return self.value(node.value) if node.value is not None else "None"
