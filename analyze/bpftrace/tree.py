"""The syntax tree of a script. The check puts a type into ``kind`` of every expression."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.kinds import Kind, Unknown

NOWHERE = Span(1, 1, 1, 1)


@dataclass(eq=False, slots=True)
class Node:
    """Anything that stands somewhere in the script."""

    span: Span


@dataclass(eq=False, slots=True)
class Typed(Node):
    """An expression; ``kind`` is its type, known once it has been checked."""

    kind: Kind = field(default_factory=Unknown, kw_only=True)


@dataclass(eq=False, slots=True)
class Integer(Typed):
    """A number as written; ``suffixed``: its sign was said (``5u``), or it is a duration."""

    value: int
    unsigned: bool = False


@dataclass(eq=False, slots=True)
class Boolean(Typed):
    """``true`` or ``false``."""

    value: bool


@dataclass(eq=False, slots=True)
class String(Typed):
    """A string literal without quotes and escapes."""

    value: str


@dataclass(eq=False, slots=True)
class Name(Typed):
    """A builtin, a constant or a macro without arguments."""

    name: str


@dataclass(eq=False, slots=True)
class Parameter(Typed):
    """``$1``: a positional parameter."""

    number: int


@dataclass(eq=False, slots=True)
class ParameterCount(Typed):
    """``$#``."""


@dataclass(eq=False, slots=True)
class Map(Typed):
    """``@name`` or ``@name[keys]``; ``keys`` is empty for a map without."""

    name: str
    keys: list[Expression] = field(default_factory=list)
    indexed: bool = False


@dataclass(eq=False, slots=True)
class Variable(Typed):
    """``$name``; ``slot`` is the variable it means, for scopes may have several of one name."""

    name: str
    slot: str = ""


@dataclass(eq=False, slots=True)
class Field(Typed):
    """``base.name`` or ``base->name`` (``arrow``)."""

    base: Expression
    name: str
    arrow: bool


@dataclass(eq=False, slots=True)
class Item(Typed):
    """``base.0``: an item of a tuple."""

    base: Expression
    position: int


@dataclass(eq=False, slots=True)
class Index(Typed):
    """``base[index]``."""

    base: Expression
    index: Expression


@dataclass(eq=False, slots=True)
class Unary(Typed):
    """``-x``, ``+x``, ``!x``, ``~x``, ``*x`` or ``&x``."""

    operator: str
    operand: Expression


@dataclass(eq=False, slots=True)
class Step(Typed):
    """``x++`` and its like; ``prefix``: the new value is what it gives."""

    target: Expression
    operator: str
    prefix: bool


@dataclass(eq=False, slots=True)
class Binary(Typed):
    """Two operands and an operator; ``operator_span`` is where that stands."""

    operator: str
    left: Expression
    right: Expression


@dataclass(eq=False, slots=True)
class Conditional(Typed):
    """``condition ? yes : no``; ``yes`` is None in ``condition ?: no``."""

    condition: Expression
    yes: Expression | None
    no: Expression


@dataclass(eq=False, slots=True)
class Cast(Typed):
    """``(type) operand``."""

    target: TypeName
    operand: Expression


@dataclass(eq=False, slots=True)
class SizeOf(Typed):
    """``sizeof(type)`` or ``sizeof(expression)``."""

    target: TypeName | Expression


@dataclass(eq=False, slots=True)
class OffsetOf(Typed):
    """``offsetof(struct x, member)``."""

    target: TypeName
    path: list[str]


@dataclass(eq=False, slots=True)
class Tuple(Typed):
    """``(a, b)``."""

    items: list[Expression]


@dataclass(eq=False, slots=True)
class Record(Typed):
    """``(a=1, b=2)``."""

    names: list[str]
    items: list[Expression]


@dataclass(eq=False, slots=True)
class Call(Typed):
    """``name(arguments)``; ``expanded``: where the macros that it came from were used, the innermost first."""

    name: str
    arguments: list[Expression]
    expanded: tuple[Span, ...] = ()


@dataclass(eq=False, slots=True)
class BlockExpression(Typed):
    """``{ statements; value }``."""

    block: Block
    value: Expression | None


Expression: TypeAlias = (
    Integer
    | Boolean
    | String
    | Name
    | Parameter
    | ParameterCount
    | Map
    | Variable
    | Field
    | Item
    | Index
    | Unary
    | Step
    | Binary
    | Conditional
    | Cast
    | SizeOf
    | OffsetOf
    | Tuple
    | Record
    | Call
    | BlockExpression
)


@dataclass(eq=False, slots=True)
class TypeName(Node):
    """A type as written: its words, stars behind them, lengths in brackets (0: that of the value).

    ``of``: the expression in ``typeof(of)``, which has no words.
    """

    words: tuple[str, ...]
    stars: int = 0
    lengths: tuple[int, ...] = ()
    of: Expression | None = None


@dataclass(eq=False, slots=True)
class Evaluate(Node):
    """An expression as a statement."""

    value: Expression


@dataclass(eq=False, slots=True)
class Let(Node):
    """``let $x``, with or without a type and a value."""

    target: Variable
    type_name: TypeName | None
    value: Expression | None


@dataclass(eq=False, slots=True)
class Assign(Node):
    """``target = value``, or with an operator before ``=``."""

    target: Expression
    operator: str
    value: Expression


@dataclass(eq=False, slots=True)
class If(Node):
    """A choice."""

    condition: Expression
    yes: Block
    no: Block | None


@dataclass(eq=False, slots=True)
class Unroll(Node):
    """``unroll (count) {}``."""

    count: Expression
    body: Block
    times: int = 0


@dataclass(eq=False, slots=True)
class While(Node):
    """``while (condition) {}``."""

    condition: Expression
    body: Block


@dataclass(eq=False, slots=True)
class ForMap(Node):
    """``for ($x : @map) {}``."""

    variable: Variable
    over: Map
    body: Block


@dataclass(eq=False, slots=True)
class ForRange(Node):
    """``for ($x : a..b) {}``."""

    variable: Variable
    start: Expression
    end: Expression
    body: Block


@dataclass(eq=False, slots=True)
class Return(Node):
    """Leaves the probe."""

    value: Expression | None


@dataclass(eq=False, slots=True)
class Break(Node):
    """Leaves a loop."""


@dataclass(eq=False, slots=True)
class Continue(Node):
    """Goes to the next turn of a loop."""


@dataclass(eq=False, slots=True)
class Block(Node):
    """Statements in braces."""

    statements: list[Statement]


Statement: TypeAlias = (
    Evaluate | Let | Assign | If | Unroll | While | ForMap | ForRange | Return | Break | Continue | Block
)


@dataclass(eq=False, slots=True)
class ProbeName(Node):
    """A probe as written, ``tracepoint:syscalls:sys_enter_*``."""

    text: str


@dataclass(eq=False, slots=True)
class Probe(Node):
    """Probes, a predicate, an action."""

    names: list[ProbeName]
    predicate: Expression | None
    body: Block


@dataclass(eq=False, slots=True)
class Macro(Node):
    """``macro name(parameters) { ... }``."""

    name: str
    parameters: list[str]
    body: Block


@dataclass(eq=False, slots=True)
class MapDeclaration(Node):
    """``let @name = hash(1000);``."""

    name: str
    type_name: str
    size: int


@dataclass(eq=False, slots=True)
class Setting(Node):
    """One line of ``config = { ... }``."""

    name: str
    value: str | int | bool


@dataclass(eq=False, slots=True)
class Member(Node):
    """A member of a struct definition; ``nested``: the struct that its type defines."""

    type_name: TypeName
    name: str
    nested: StructDefinition | None = None


@dataclass(eq=False, slots=True)
class StructDefinition(Node):
    """``struct name { ... };``."""

    name: str
    is_union: bool
    members: list[Member]
    is_packed: bool = False


@dataclass(eq=False, slots=True)
class EnumDefinition(Node):
    """``enum name { A, B = 5 };``."""

    name: str
    enumerators: list[tuple[str, Expression | None]]


@dataclass(eq=False, slots=True)
class Import(Node):
    """``import "file"``."""

    path: str


@dataclass(eq=False, slots=True)
class Script(Node):
    """A whole script.

    ``defines`` are the values of ``#define`` by name; ``functional_defines`` those that take arguments, with the names
    of their parameters.
    """

    probes: list[Probe]
    macros: dict[str, Macro]
    settings: list[Setting]
    map_declarations: list[MapDeclaration]
    structs: list[StructDefinition]
    enums: list[EnumDefinition]
    imports: list[Import]
    defines: dict[str, Expression] = field(default_factory=dict)
    functional_defines: dict[str, tuple[tuple[str, ...], Expression]] = field(default_factory=dict)


def with_value(block: Block, span: Span) -> BlockExpression:
    """A block in place of a value: that of its last statement, an expression or an ``if`` with an ``else``."""
    value = _value(block.statements[-1]) if block.statements else None
    kept = block.statements[:-1] if value is not None else block.statements
    return BlockExpression(span, Block(block.span, kept), value)


def _value(last: Statement) -> Expression | None:
    if isinstance(last, Evaluate):
        return last.value
    if isinstance(last, If) and last.no is not None:
        yes, no = (with_value(block, block.span) for block in (last.yes, last.no))
        return Conditional(last.span, last.condition, yes, no)
    return None
