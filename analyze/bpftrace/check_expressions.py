"""Types of expressions, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.builtin_variables import RAW_ARGUMENTS, REFUSED, builtin_kinds
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.dialect import Dialect
from bpfrec.analyze.bpftrace.errors import Problem, Span
from bpfrec.analyze.bpftrace.holdings import Holdings
from bpfrec.analyze.bpftrace.kinds import (
    BOOL,
    I64,
    STRING,
    U64,
    UNKNOWN,
    Aggregate,
    Args,
    Array,
    Bool,
    Bytes,
    Int,
    Kind,
    Pointer,
    Stack,
    Str,
    Struct,
    Symbol,
    Tup,
    Unknown,
    Void,
)
from bpfrec.analyze.bpftrace.probes import Site, Source
from bpfrec.analyze.bpftrace.scopes import MapInfo, Scope, VariableInfo
from bpfrec.analyze.bpftrace.structs import Structs

if TYPE_CHECKING:
    from collections.abc import Callable

CASTABLE = ("count", "sum", "min", "max", "avg")
"""Aggregations whose value can be read as a number."""


@dataclass
class Context:
    """All that the check of one script shares. ``final``: errors count; before, types are still being found."""

    dialect: Dialect
    held: Holdings
    structs: Structs
    parameters: list[str]
    options: dict[str, str]
    described: dict[str, str] = field(default_factory=dict)
    maps: dict[str, MapInfo] = field(default_factory=dict)
    enums: dict[str, int] = field(default_factory=dict)
    enum_of: dict[str, str] = field(default_factory=dict)
    enumerators: dict[str, dict[int, str]] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    scope: Scope = field(default_factory=Scope)
    action: Scope = field(default_factory=Scope)
    kept: dict[tuple[int, str], Kind] = field(default_factory=dict)
    slots: int = 0
    loops: int = 0
    final: bool = False
    changed: bool = False
    remarks: dict[str, None] = field(default_factory=dict)
    warnings: dict[tuple[Span, str], None] = field(default_factory=dict)

    def map(self, name: str) -> MapInfo:
        """The map of that name, made when it is first named."""
        return self.maps.setdefault(name, MapInfo(name))

    def variable(self, name: str, scope: Scope) -> VariableInfo:
        """A new variable in ``scope``."""
        self.slots += 1
        info = VariableInfo(f"v{self.slots}_" + "".join(c if c.isalnum() else "_" for c in name[1:]))
        scope.variables[name] = info
        return info

    def warn(self, span: Span, text: str) -> None:
        """Notes a warning that bpftrace prints."""
        if self.final:
            self.warnings[span, text] = None


def is_number(kind: Kind) -> bool:
    """Whether a value of it can be an operand of arithmetic."""
    return isinstance(kind, (Int, Bool)) or (isinstance(kind, Aggregate) and kind.form in CASTABLE)


def is_text(kind: Kind) -> bool:
    """Whether it is a string, or an array of char, which is one."""
    return isinstance(kind, Str) or (isinstance(kind, Array) and kind.item == Int(8, True))


class ExpressionCheck:
    """Gives expressions their types; ``calls`` is what knows functions."""

    def __init__(self, context: Context) -> None:
        self.c = context
        self.builtins = builtin_kinds(context.dialect)
        self.call: Callable[[tree.Call], Kind] = lambda _call: UNKNOWN
        self.block: Callable[[tree.Block, tree.Expression | None], Kind] = lambda _block, _value: Void()

    def check(self, node: tree.Expression) -> Kind:
        """The type of ``node``, which is noted in it.

        Raises:
            Problem: it has none.
        """
        node.kind = self._kind(node)
        return node.kind

    def number(self, node: tree.Expression, what: str) -> Kind:
        """The type of ``node``, which has to be an integer, bool or pointer; unknown ones pass."""
        kind = self.check(node)
        if not is_number(kind) and not isinstance(kind, (Unknown, Pointer)):
            raise Problem(node.span, f"{what}, not '{kind}'")
        return kind

    def _kind(self, node: tree.Expression) -> Kind:
        match node:
            case tree.Integer():
                if self.c.dialect.old:
                    # Whatever its suffix, a number is an int64 there.
                    node.value = arithmetic.wrap(node.value, I64)
                    return Int(64, signed=True, literal=node.value >= 0)
                return Int(64, not node.unsigned and node.value < 2**63, literal=node.value >= 0)
            case tree.Boolean():
                return BOOL
            case tree.String():
                if self.c.dialect.old and self.c.final and len(node.value.encode("utf-8", "surrogateescape")) > 63:
                    raise Problem(node.span, "String is too long (over 64 bytes): " + node.value)
                return STRING
            case tree.Name():
                return self._name(node)
            case tree.Parameter():
                return self._parameter(node)
            case tree.ParameterCount():
                return I64
            case tree.Map():
                return self.map_value(node)
            case tree.Variable():
                return self._variable(node)
            case tree.Field():
                return self._field(node)
            case tree.Item():
                return self._item(node.span, self.check(node.base), node.position)
            case tree.Index():
                return self._index(node)
            case tree.Unary():
                return self._unary(node)
            case tree.Step():
                return self._step(node)
            case tree.Binary():
                return self._binary(node)
            case tree.Conditional():
                return self._conditional(node)
            case tree.Cast():
                return self._cast(node)
            case tree.SizeOf():
                return self._size(node)
            case tree.OffsetOf():
                self._offset(node)
                return U64
            case tree.Tuple():
                return Tup(tuple(_plain(self.check(item)) for item in node.items))
            case tree.Record():
                return Tup(tuple(_plain(self.check(item)) for item in node.items), tuple(node.names))
            case tree.Call():
                return self.call(node)
            case tree.BlockExpression():
                return self.block(node.block, node.value)

    # -- names

    def _name(self, node: tree.Name) -> Kind:
        name = node.name
        if name in self.c.enums:
            return I64 if self.c.dialect.old else Int(64, False, enum=self.c.enum_of[name])
        if constant(name) is not None:
            return I64
        if name in REFUSED:
            raise Problem(node.span, f"{name} cannot be replayed: {REFUSED[name][0]}", REFUSED[name][1])
        if name.startswith("sarg") and name[4:].isdigit():
            raise Problem(node.span, f"{name} cannot be replayed: the trace does not hold the kernel's stack")
        if name.startswith("arg") and name[3:].isdigit():
            return self._argument(node, int(name[3:]))
        kind = self.builtins.get(name)
        if kind is None:
            raise Problem(node.span, f"Unknown identifier: '{name}'")
        self._available(node)
        return kind

    def _argument(self, node: tree.Name, number: int) -> Kind:
        kinds = [RAW_ARGUMENTS.get(s.source) if s.provider == "rawtracepoint" else None for s in self.c.sites]
        if None in kinds or not kinds:
            hint = "Ask for args->NAME of tracepoint:syscalls:sys_enter_NAME."
            raise Problem(node.span, f"{node.name} cannot be replayed here: the trace does not hold registers", hint)
        known = kinds[0]
        if known is None or number != 1:
            raise Problem(node.span, f"{node.name} cannot be replayed: the trace does not hold registers")
        return known[1] if self.c.sites[0].source is Source.RAW_ENTER else I64

    def _available(self, node: tree.Name) -> None:
        name, sites, held = node.name, self.c.sites, self.c.held
        events = [s for s in sites if s.source.has_event]
        match name:
            case "args":
                if any(s.fields is None for s in sites):
                    raise Problem(node.span, "The args builtin can only be used with tracepoint probes here")
            case "retval":
                if any(s.provider not in ("kretprobe", "fexit") for s in sites):
                    raise Problem(
                        node.span,
                        "The retval builtin can only be used with 'kretprobe' and 'uretprobe' and 'kretfunc' probes"
                        + (" (try to use args.ret instead)" if all(s.source.is_exit for s in sites) else ""),
                    )
            case "func":
                if any(not s.function or s.provider == "tracepoint" for s in sites):
                    raise Problem(node.span, "The func builtin can not be used with this probe")
            case "cpu":
                if any(s.source.is_entry for s in events):
                    raise Problem(
                        node.span,
                        "cpu cannot be replayed at the entry of a call: the trace has the CPU on which it ended",
                        "Ask for it at sys_exit.",
                    )
                if any(s.source in (Source.FORK, Source.PROCESS_EXIT) for s in events):
                    raise Problem(node.span, "cpu cannot be replayed here: the trace does not hold it for processes")
            case "ustack":
                self.user_stack(node.span)
            case "kstack":
                self.kernel_stack(node.span)
            case "cpid":
                if held.command_pid is None:
                    raise Problem(
                        node.span,
                        "cpid cannot be used without child command",
                        "record -- COMMAND would have taken it.",
                    )

    def user_stack(self, span: Span) -> None:
        """Refuses user stacks where the trace has none.

        Raises:
            Problem: it has none.
        """
        for site in self.c.sites:
            if site.source.is_entry or site.source.is_exit:
                if self.c.held.stacks == "off" or not self.c.held.stack_on:
                    raise Problem(
                        span, "ustack: the trace has no stacks of calls", "record --stack-on all would have taken them."
                    )
            elif site.source is not Source.SAMPLE:
                raise Problem(span, f"ustack cannot be replayed in {site.name}: the trace has no stack of it")

    def kernel_stack(self, span: Span) -> None:
        """Refuses kernel stacks where the trace has none.

        Raises:
            Problem: it has none.
        """
        if any(site.source is not Source.SAMPLE for site in self.c.sites):
            raise Problem(
                span,
                "kstack cannot be replayed here: the trace has kernel stacks of samples alone",
                "record --profile 99 takes them; ask at profile:hz:99.",
            )

    def _parameter(self, node: tree.Parameter) -> Kind:
        if node.number > len(self.c.parameters):
            return Int(64, signed=True, literal=True)
        value = parameter_value(self.c.parameters[node.number - 1])
        return STRING if isinstance(value, str) else Int(64, value < 2**63, literal=value >= 0)

    def _variable(self, node: tree.Variable) -> Kind:
        info = self.c.scope.find(node.name)
        if info is None:
            raise Problem(node.span, f"Undefined or undeclared variable: {node.name.split('#')[0]}")
        node.slot = info.slot
        return info.kind

    # -- maps

    def map_keys(self, node: tree.Map) -> MapInfo:
        """Checks the keys of a map and notes their types."""
        kinds = []
        for key in node.keys:
            kind = _plain(self.check(key))
            if isinstance(kind, (Void, Aggregate)) and not is_number(kind):
                raise Problem(key.span, f"{kind} cannot be used as a map key")
            if isinstance(kind, Str) and kind.form == "strerror":
                kind = STRING
            kinds.append(kind)
        if len(kinds) == 1 and isinstance(kinds[0], Tup) and not self.c.dialect.old and not kinds[0].names:
            kinds = list(kinds[0].items)
            node.keys = _spread(node.keys[0])
        info = self.c.map(node.name)
        if info.keys is None or any(isinstance(k, Unknown) for k in info.keys):
            info.keys = tuple(kinds)
            self.c.changed = True
        elif not _same_keys(info.keys, tuple(kinds)):
            raise Problem(
                node.span,
                f"Argument mismatch for {node.name}: trying to access with arguments: '{_listed(kinds)}' when map "
                f"expects arguments: '{_listed(info.keys)}'",
            )
        else:
            merged = tuple(_merge(self.c.dialect, a, b) for a, b in zip(info.keys, kinds, strict=True))
            if merged != info.keys:
                info.keys = merged
                self.c.changed = True
        return info

    def map_value(self, node: tree.Map) -> Kind:
        """The type of what a map gives when it is read."""
        info = self.map_keys(node)
        info.read = True
        if isinstance(info.value, Unknown) and self.c.final:
            raise Problem(node.span, f"Undefined map: {node.name}")
        if isinstance(info.value, Aggregate) and info.value.form not in CASTABLE and self.c.final:
            raise Problem(node.span, f"Map value '{info.value}' cannot be read: it can only be printed")
        return info.value

    # -- members and items

    def _field(self, node: tree.Field) -> Kind:
        base = self.check(node.base)
        match base:
            case Args():
                return self._args_field(node)
            case Tup() if base.names:
                if node.name not in base.names:
                    raise Problem(node.span, f"Record does not contain a field named '{node.name}'")
                return base.items[base.names.index(node.name)]
            case Pointer(Struct() as struct) | (Struct() as struct):
                layout = self.c.structs.get(struct.name)
                if layout is None:
                    raise Problem(
                        node.span,
                        f"Unknown struct/union: 'struct {struct.name}': what it holds was not recorded",
                    )
                if node.name not in layout.members:
                    raise Problem(
                        node.span,
                        f"Struct/union of type 'struct {struct.name}' does not contain a field named '{node.name}'",
                    )
                return layout.members[node.name].kind
            case Unknown():
                return UNKNOWN
        raise Problem(node.span, f"Can not access field '{node.name}' on expression of type '{base}'")

    def _args_field(self, node: tree.Field) -> Kind:
        kinds = []
        for site in self.c.sites:
            if node.name.startswith("common_"):
                raise Problem(node.span, "BPF does not support accessing common tracepoint fields")
            if site.fields is None or node.name not in site.fields:
                event = site.name.partition(":")[2].replace(":", "_")
                raise Problem(
                    node.span,
                    f"Struct/union of type 'struct _tracepoint_{event}' does not contain a field named '{node.name}'",
                )
            if site.source is Source.PROCESS_EXIT and node.name == "prio":
                raise Problem(node.span, "args.prio cannot be replayed: the trace does not hold priorities")
            kinds.append(site.fields[node.name].kind)
        pointers = {k for k in kinds if isinstance(k, Pointer)}
        if pointers and len(set(kinds)) > 1:
            if len(pointers) < len(set(kinds)):
                raise Problem(node.span, f"args.{node.name} is a pointer at some of these probes and none at others")
            return Pointer(None)
        return kinds[0]

    def _item(self, span: Span, base: Kind, position: int) -> Kind:
        if isinstance(base, Unknown):
            return UNKNOWN
        if not isinstance(base, Tup):
            raise Problem(span, f"Can not access index '{position}' on expression of type '{base}'")
        if position >= len(base.items):
            raise Problem(span, f"Invalid tuple index: {position}. Found {len(base.items)} elements in tuple.")
        return base.items[position]

    def _index(self, node: tree.Index) -> Kind:
        base = self.check(node.base)
        self.number(node.index, "The array index operator [] expects an integer")
        match base:
            case Tup():
                position = folded(node.index, self.c.dialect, node.index.kind)
                if position is None:
                    raise Problem(node.index.span, "the index of a tuple has to be a literal")
                return self._item(node.span, base, position)
            case Array(item, length):
                if isinstance(node.index, tree.Integer) and node.index.value >= length:
                    raise Problem(
                        node.span, f"the index {node.index.value} is out of bounds for array of size {length}"
                    )
                return item
            case Pointer(to) if to is not None:
                return to
            case Str():
                return Int(8, True)
            case Bytes():
                return Int(8, False)
            case Unknown():
                return UNKNOWN
        raise Problem(node.span, f"The array index operator [] can only be used on arrays and pointers, found {base}.")

    # -- operators

    def _unary(self, node: tree.Unary) -> Kind:
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

    def _step(self, node: tree.Step) -> Kind:
        target = node.target
        kind: Kind
        if isinstance(target, tree.Map):
            info = self.map_keys(target)
            if isinstance(info.value, Unknown):
                info.value = I64
                self.c.changed = True
            kind = info.value
            self.widen(info, -(2**63), 2**63 - 1)
        elif isinstance(target, tree.Variable):
            kind = self.check(target)
        else:
            raise Problem(node.span, f"The {node.operator} operator must be applied to a map or variable")
        if not isinstance(kind, (Int, Pointer, Unknown)):
            raise Problem(node.span, f"The {node.operator} operator can not be used on expressions of type '{kind}'")
        target.kind = kind
        return _plain(kind)

    def widen(self, info: MapInfo, low: int, high: int) -> None:
        """Notes what a map of integers is assigned."""
        if low < info.low or high > info.high:
            info.low, info.high = min(low, info.low), max(high, info.high)
            self.c.changed = True

    def _binary(self, node: tree.Binary) -> Kind:
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

    def _conditional(self, node: tree.Conditional) -> Kind:
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

    def _cast(self, node: tree.Cast) -> Kind:
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

    def _size(self, node: tree.SizeOf) -> Kind:
        kind = self.resolved(node.target) if isinstance(node.target, tree.TypeName) else self.check(node.target)
        if self.c.structs.size(kind) is None and not isinstance(kind, (Tup, Unknown)):
            raise Problem(node.span, f"sizeof: the size of '{kind}' is not known")
        return U64

    def offset_of(self, node: tree.OffsetOf) -> int:
        """Bytes from the start of a struct to a member."""
        return self._offset(node)

    def _offset(self, node: tree.OffsetOf) -> int:
        kind: Kind = self.resolved(node.target)
        offset = 0
        for name in node.path:
            layout = self.c.structs.get(kind.name) if isinstance(kind, Struct) else None
            if layout is None or name not in layout.members:
                raise Problem(node.span, f"'{kind}' has no member '{name}'")
            kind, offset = layout.members[name].kind, offset + layout.members[name].offset
        return offset


def folded(node: tree.Expression, dialect: Dialect, kind: Kind) -> int | None:
    """The value of an expression of constants; None where it is not known before it runs."""
    if isinstance(node, tree.Integer):
        return node.value
    if isinstance(node, tree.Binary):
        left, right = (folded(part, dialect, part.kind) for part in (node.left, node.right))
        if left is not None and right is not None:
            return arithmetic.fold(dialect, node.operator, left, right, kind)
    return None


def parameter_value(text: str) -> int | str:
    """What ``$1`` is: a number where it reads as one, else text."""
    try:
        return (
            int(text, 0)
            if not (len(text) > 1 and text.lstrip("-").startswith("0") and text.isdigit())
            else int(text, 8)
        )
    except ValueError:
        return text


def _plain(kind: Kind) -> Kind:
    if isinstance(kind, Int):
        return Int(kind.bits, kind.signed, kind.literal, kind.enum)
    if isinstance(kind, Aggregate) and kind.form in CASTABLE:
        return I64 if kind.signed else U64
    return kind


def _spread(key: tree.Expression) -> list[tree.Expression]:
    if isinstance(key, tree.Tuple):
        return list(key.items)
    kind = key.kind
    assert isinstance(kind, Tup)
    return [tree.Item(key.span, key, i, kind=item) for i, item in enumerate(kind.items)]


def _listed(kinds: tuple[Kind, ...] | list[Kind]) -> str:
    return "[" + ", ".join(map(str, kinds)) + "]" if kinds else ""


def same_family(first: Kind, second: Kind) -> bool:
    """Whether values of both can be in one place."""
    if isinstance(first, Unknown) or isinstance(second, Unknown):
        return True
    if is_number(first) and is_number(second):
        return True
    if is_text(first) and is_text(second):
        return True
    if isinstance(first, Tup) and isinstance(second, Tup):
        return len(first.items) == len(second.items) and all(map(same_family, first.items, second.items))
    if isinstance(first, Aggregate) and isinstance(second, Aggregate):
        return first.form == second.form and first.bounds == second.bounds
    return type(first) is type(second)


def _same_keys(first: tuple[Kind, ...], second: tuple[Kind, ...]) -> bool:
    return len(first) == len(second) and all(map(same_family, first, second))


def _merge(dialect: Dialect, first: Kind, second: Kind) -> Kind:
    if isinstance(first, Unknown):
        return second
    if isinstance(first, Int) and isinstance(second, Int) and first != second:
        return arithmetic.meet(dialect, first, second)
    return first


__all__ = ["CASTABLE", "Context", "ExpressionCheck", "Stack", "Symbol", "is_number", "is_text", "parameter_value"]
