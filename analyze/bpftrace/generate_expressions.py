"""Python source for expressions. A value stands there as ``kinds`` says that it is held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.emitter import Emitter
from bpfrec.analyze.bpftrace.errors import Span
from bpfrec.analyze.bpftrace.folding import folded
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    STRING,
    U64,
    Aggregate,
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
    is_text,
)
from bpfrec.analyze.bpftrace.literals import parameter_value
from bpfrec.analyze.bpftrace.memory import LISTS, TEXTS, capture_of
from bpfrec.analyze.bpftrace.probes import Site, Source

if TYPE_CHECKING:
    from collections.abc import Callable

_TOP = 2**63
_PROBE_TYPES = {"begin": "special", "end": "special"}
_MOST_BRACKETS = 50
"""Source with more gets a name: Python's parser takes 200 within each other."""


def default(kind: Kind) -> str:
    """Source for what a map that has no such key gives."""
    match kind:
        case Bool():
            return "False"
        case Str() | Symbol():
            return "''"
        case Pointer():
            return "(0, None)"
        case Tup():
            return "(" + "".join(default(item) + ", " for item in kind.items) + ")"
        case Stack():
            return "-1"
        case Bytes():
            return "b''"
        case Array():
            return "''" if is_text(kind) else "(" + "0, " * kind.length + ")"
        case Struct():
            return "(0, None)"
        case _:
            return "0"


def wrapped(code: str, low: int, high: int, kind: Int) -> str:
    """Source for a number between ``low`` and ``high`` converted to ``kind``."""
    least, greatest = arithmetic.bounds(kind)
    if least <= low and high <= greatest:
        return code
    mask = (1 << kind.bits) - 1
    if not kind.signed:
        return f"({code} & {mask})"
    half = 1 << (kind.bits - 1)
    return f"((({code}) + {half} & {mask}) - {half})"


class ExpressionSource:
    """Makes source of expressions of one action; ``sites`` is where it runs."""

    def __init__(self, checked: Checked, emitter: Emitter) -> None:
        self.checked = checked
        self.c = checked.context
        self.dialect = checked.context.dialect
        self.out = emitter
        self.sites: list[Site] = []
        self.call: Callable[[tree.Call], str] = lambda _node: ""
        self.statements: Callable[[tree.Block], None] = lambda _block: None
        self.map_names = {name: f"M{number}" for number, name in enumerate(sorted(checked.maps))}

    # -- entry points

    def value(self, node: tree.Expression) -> str:
        """Source for the value of ``node``."""
        code = self._value(node)
        if code.count("(") < _MOST_BRACKETS:
            return code
        name = self.out.temporary()
        self.out.line(f"{name} = {code}")
        return name

    def _value(self, node: tree.Expression) -> str:
        match node:
            case tree.Integer():
                return str(node.value) if node.value >= 0 else f"({node.value})"
            case tree.Boolean():
                return str(node.value)
            case tree.String():
                return repr(node.value)
            case tree.Name():
                return self._name(node)
            case tree.Parameter():
                return self._parameter(node)
            case tree.ParameterCount():
                return str(len(self.c.parameters))
            case tree.Map():
                return self._map(node)
            case tree.Variable():
                return node.slot
            case tree.Field():
                return self._field(node)
            case tree.Item():
                return f"{self.value(node.base)}[{node.position}]"
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
                return str(self._size(node))
            case tree.OffsetOf():
                return str(self.c.structs.offset(node))
            case tree.Tuple() | tree.Record():
                kinds = node.kind.items if isinstance(node.kind, Tup) else ()
                items = (self.stored(item, kind) for item, kind in zip(node.items, kinds, strict=True))
                return "(" + "".join(item + ", " for item in items) + ")"
            case tree.Call():
                return self.call(node)
            case tree.BlockExpression():
                self.statements(node.block)
                return self.value(node.value) if node.value is not None else "None"

    def condition(self, node: tree.Expression) -> str:
        """Source that is true where ``node`` is not zero."""
        if isinstance(node, tree.Binary) and (
            node.operator in arithmetic.COMPARISONS or node.operator in arithmetic.LOGICAL
        ):
            return self._truth(node)
        if isinstance(node, tree.Unary) and node.operator == "!":
            return f"(not {self.condition(node.operand)})"
        if isinstance(node.kind, Pointer):
            return f"{self.value(node)}[0]"
        return self.value(node)

    def bounds(self, node: tree.Expression) -> tuple[int, int]:
        """The least and greatest value of a number."""
        match node:
            case tree.Integer():
                return node.value, node.value
            case tree.Name() if node.name in ("nsecs", "elapsed"):
                return 0, _TOP - 1
            case tree.Name() if node.name in ("pid", "tid", "uid", "cpu", "ncpus", "cpid", "ppid"):
                return 0, 2**32 - 1
            case tree.Name() if isinstance(node.kind, Int) and node.kind == I64 and constant(node.name) is not None:
                number = constant(node.name) or 0
                return number, number
            case tree.Map() if isinstance(node.kind, (Int, Aggregate)):
                info = self.c.maps[node.name]
                low, high = arithmetic.bounds(self.number_kind(node.kind))
                if isinstance(info.value, Int):
                    return max(low, min(info.low, 0)), min(high, max(info.high, 0))
                return low, high
            case tree.Binary() if node.operator in ("+", "-", "*", "/", "&", ">>") and isinstance(node.kind, Int):
                low, high = self._raw_bounds(node)
                least, greatest = arithmetic.bounds(node.kind)
                return (low, high) if least <= low and high <= greatest else (least, greatest)
        return arithmetic.bounds(self.number_kind(node.kind))

    def number_bounds(self, node: tree.Typed) -> tuple[int, int]:
        """The bounds of the type of a number."""
        return arithmetic.bounds(self.number_kind(node.kind))

    def number(self, node: tree.Expression, kind: Int) -> str:
        """Source for a number converted to ``kind``; a pointer's is its address."""
        if isinstance(node.kind, (Pointer, Struct)):
            return wrapped(f"{self.value(node)}[0]", 0, MASK, kind)
        code = self.value(node)
        return wrapped(code, *self.bounds(node), kind)

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
            signed = True if self.dialect.old else kind.signed
            code = self.number(node, Int(64, signed))
            return f"int({code})" if isinstance(node.kind, Bool) else code
        return self.value(node)

    @staticmethod
    def number_kind(kind: Kind) -> Int:
        """The integer that a value reads as."""
        if isinstance(kind, Aggregate):
            return I64 if kind.signed else U64
        return arithmetic.as_int(kind) if isinstance(kind, (Int, Bool)) else U64

    # -- names

    def _name(self, node: tree.Name) -> str:
        name = node.name
        if name in self.c.enums:
            return str(self.c.enums[name])
        value = constant(name)
        if value is not None:
            return f"({value})" if value < 0 else str(value)
        is_event = any(site.source.has_event for site in self.sites)
        match name:
            case "nsecs":
                return "t"
            case "elapsed":
                return f"(t - {self.c.held.start_ns})"
            case "ncpus":
                return str(self.c.held.cpus)
            case "cpid":
                return str(self.c.held.command_pid)
            case "probe":
                return self._probe()
            case "func":
                return self._probe(by_function=True)
            case "probetype":
                return self._provider()
            case "retval":
                return f"({self.out.column('ret')} & {MASK})"
            case "ustack" | "kstack":
                return self.stack(name, None)
            case "username" if not is_event:
                return "'root'"
            case "username":
                return f"S.username({self.out.column('uid')})"
            case "comm" if not is_event:
                return "'bpftrace'"
            case "pid" | "tid" | "uid" | "cpu" | "ppid" if not is_event:
                return "0"
            case "comm":
                return self.out.column("comm")
            case "cpu" if any(site.source.is_exit for site in self.sites):
                cpu = self.out.column("cpu")
                return f"({cpu} if {cpu} is not None else S.no_cpu())"
            case "arg1":
                source = self.sites[0].source
                return self.out.column("nr" if source is Source.RAW_ENTER else "ret")
        return self.out.column(name)

    def _probe(self, by_function: bool = False) -> str:
        names = self.probe_names(by_function)
        if len(set(names.values())) == 1:
            return repr(next(iter(names.values())))
        return f"{self.out.constant(names)}[{self.out.column('call')}]"

    def _provider(self) -> str:
        names = {site.call: _PROBE_TYPES.get(site.provider, site.provider) for site in self.sites}
        if len(set(names.values())) == 1:
            return repr(next(iter(names.values())))
        return f"{self.out.constant(names)}[{self.out.column('call')}]"

    def probe_names(self, by_function: bool) -> dict[str | None, str]:
        """The names of the probes of the action, or of their functions, by system call."""
        return {site.call: site.function if by_function else self._site_name(site) for site in self.sites}

    def _site_name(self, site: Site) -> str:
        is_own = site.source in (Source.BEGIN, Source.END)
        return site.name.lower() if is_own and not self.dialect.old else site.name

    def stack(self, name: str, limit: int | None) -> str:
        """Source for the number of the stack of the event."""
        is_sample = self.sites[0].source is Source.SAMPLE
        if name == "kstack":
            code = f"S.sampled_stack({self.out.column('kstack')})"
        elif is_sample:
            code = f"S.sampled_stack({self.out.column('stack')})"
        else:
            code = f"S.stack({self.out.column('stack')}, {self.out.column('stack_status')}, {self.out.column('ret')})"
        return code if limit is None else f"S.limited({code}, {limit})"

    def _parameter(self, node: tree.Parameter) -> str:
        if node.number > len(self.c.parameters):
            return "0"
        return repr(parameter_value(self.c.parameters[node.number - 1]))

    def _map(self, node: tree.Map) -> str:
        info = self.c.maps[node.name]
        if isinstance(info.value, Aggregate):
            return f"S.read_{info.value.form}({self.map_names[node.name]}, {self.key(node)}, {info.value.signed})"
        return f"{self.map_names[node.name]}.get({self.key(node)}, {default(info.value)})"

    # -- members

    def _field(self, node: tree.Field) -> str:
        if isinstance(node.base, tree.Name) and node.base.name == "args":
            return self.args_field(node.name)
        base = node.base.kind
        if isinstance(base, Tup):
            return f"{self.value(node.base)}[{base.names.index(node.name)}]"
        struct = base.to if isinstance(base, Pointer) else base
        assert isinstance(struct, Struct)
        layout = self.c.structs.get(struct.name)
        assert layout is not None
        place = layout.members[node.name]
        return self._loaded(self.value(node.base), place.kind, place.offset)

    def _loaded(self, pointer: str, kind: Kind, offset: int = 0) -> str:
        """Source for what is in memory at ``pointer`` plus ``offset``."""
        match kind:
            case Int():
                return f"S.load({pointer}, {offset}, {kind.bits // 8}, {kind.signed})"
            case Struct():
                return f"S.moved({pointer}, {offset})"
            case Array() if is_text(kind):
                return f"S.char_array({pointer}, {offset}, {kind.length})"
            case Array():
                return f"S.load_array({pointer}, {offset}, {self.out.constant(kind)})"
            case Pointer():
                return f"(S.load({pointer}, {offset}, 8, False), None)"
        return f"S.load({pointer}, {offset}, 1, False)"

    def args_field(self, name: str) -> str:
        """Source for a field of ``args``; a pointer leads to what was copied."""
        field = self.sites[0].fields[name] if self.sites[0].fields else None
        if name in ("id", "__syscall_nr"):
            return self.out.column("nr")
        if name == "ret":
            return self.out.column("ret")
        if name == "args" and field is not None and field.argument is None:
            return "(" + ", ".join(self.out.column("raw", str(i)) for i in range(6)) + ")"
        if field is None or field.argument is None:
            return self.out.column("sched", name)
        code = self.out.column("field", name)
        if not isinstance(field.kind, Pointer):
            return wrapped(code, 0, MASK, field.kind) if isinstance(field.kind, Int) else code
        return f"({code}, {self._leads_to(name, code)})"

    def field_capture(self, name: str) -> str:
        """How what a field points at was copied, '' where it was not; the same at all sites."""
        kinds = set()
        for site in self.sites:
            field = site.fields[name] if site.fields else None
            if site.call is None or field is None or field.argument is None:
                return ""
            capture = capture_of(site.call, field.argument.index)
            kinds.add(capture.kind if capture else "")
        return kinds.pop() if len(kinds) == 1 else ""

    def _leads_to(self, name: str, code: str) -> str:
        kind = self.field_capture(name)
        if not kind:
            return "None"
        if kind in TEXTS:
            return self.field_text(name, kind)
        if kind in LISTS:
            return f"S.strings({self.out.column('list', name, kind)})"
        return f"S.memory({kind!r}, {self.out.column('memory', name, kind)}, {code})"

    def field_text(self, name: str, kind: str) -> str:
        """Source for the string that a field points at."""
        text, status = self.out.column("text", name, kind), self.out.column("status", name, kind)
        return f"({text} if {status} is None else S.text({text}, {status}, {self.out.column('field', name)}))"

    def _index(self, node: tree.Index) -> str:
        base = node.base.kind
        if isinstance(base, Tup):
            return f"{self.value(node.base)}[{folded(node.index, self.dialect, node.index.kind)}]"
        if isinstance(base, Str):
            return f"S.character({self.value(node.base)}, {self.value(node.index)})"
        if isinstance(base, Pointer):
            size = self.c.structs.size(base.to) if base.to is not None else 1
            at = f"S.moved({self.value(node.base)}, {self.value(node.index)} * {size or 1})"
            return self._loaded(at, node.kind)
        return f"S.item({self.value(node.base)}, {self.value(node.index)})"

    # -- operators

    def _unary(self, node: tree.Unary) -> str:
        if node.operator == "*":
            return self._loaded(self.value(node.operand), node.kind)
        if node.operator == "!":
            code = f"(not {self.condition(node.operand)})"
            return f"int({code})" if self.dialect.old else code
        assert isinstance(node.kind, Int)
        code, (low, high) = self.value(node.operand), self.bounds(node.operand)
        if node.operator == "~":
            return wrapped(f"(~{code})", ~high, ~low, node.kind)
        if node.operator == "-":
            return wrapped(f"(-{code})", -high, -low, node.kind)
        return code

    def _step(self, node: tree.Step) -> str:
        """A step whose value is used: done before, and the old or new value kept."""
        name = self.out.temporary()
        sign = "+" if node.operator == "++" else "-"
        if isinstance(node.target, tree.Map):
            kind = self.c.maps[node.target.name].value
            key = self.out.temporary()
            self.out.line(f"{key} = {self.key(node.target)}")
            place = f"{self.map_names[node.target.name]}[{key}]"
            self.out.line(f"{name} = {self.map_names[node.target.name]}.get({key}, {default(kind)})")
        else:
            assert isinstance(node.target, tree.Variable)
            kind, place = node.target.kind, node.target.slot
            self.out.line(f"{name} = {place}")
        if isinstance(kind, Pointer):
            stepped = f"S.moved({name}, {sign}{self._pointee(kind)})"
        else:
            low, high = arithmetic.bounds(Int(64, self.number_kind(kind).signed))
            stepped = wrapped(f"({name} {sign} 1)", low - 1, high + 1, Int(64, self.number_kind(kind).signed))
        if node.prefix:
            self.out.line(f"{place} = {name} = {stepped}")
        else:
            self.out.line(f"{place} = {stepped}")
        return name

    def _pointee(self, kind: Pointer) -> int:
        return (self.c.structs.size(kind.to) if kind.to is not None else 1) or 1

    def _binary(self, node: tree.Binary) -> str:
        operator = node.operator
        if operator in arithmetic.COMPARISONS or operator in arithmetic.LOGICAL:
            code = self._truth(node)
            return f"(1 if {code} else 0)" if self.dialect.old else f"bool({code})"
        if isinstance(node.kind, Str):
            return f"S.tail({self.value(node.left)}, {self.value(node.right)})"
        if isinstance(node.kind, Pointer):
            pointer, other = (node.left, node.right) if isinstance(node.left.kind, Pointer) else (node.right, node.left)
            assert isinstance(pointer.kind, Pointer)
            sign = "-" if operator == "-" else ""
            return f"S.moved({self.value(pointer)}, {sign}({self.value(other)}) * {self._pointee(pointer.kind)})"
        return self.operation(operator, node.left, node.right, self.number_kind(node.kind), node.span)

    def operation(self, operator: str, left: tree.Expression, right: tree.Expression, kind: Int, span: Span) -> str:
        """Source for arithmetic on two expressions, converted to ``kind``."""
        known = [folded(part, self.dialect, part.kind) for part in (left, right)]
        if known[0] is not None and known[1] is not None:
            value = arithmetic.fold(self.dialect, operator, known[0], known[1], kind)
            if value is not None:
                return f"({value})"
        a, b = self._operand(left), self._operand(right)
        bounds = self._operand_bounds(left), self._operand_bounds(right)
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
        return f"{self.value(node)}[0]" if isinstance(node.kind, Pointer) else self.value(node)

    def _operand_bounds(self, node: tree.Expression) -> tuple[int, int]:
        return (0, MASK) if isinstance(node.kind, Pointer) else self.bounds(node)

    def _raw_bounds(self, node: tree.Binary) -> tuple[int, int]:
        a, b = self._operand_bounds(node.left), self._operand_bounds(node.right)
        if node.operator == "/":
            return (0, a[1]) if a[0] >= 0 and b[0] > 0 else (0, MASK)
        if node.operator == ">>":
            return (0, a[1]) if a[0] >= 0 else (0, MASK)
        return combined(node.operator, a, b)

    def _truth(self, node: tree.Binary) -> str:
        operator = node.operator
        if operator in arithmetic.LOGICAL:
            return self._logical(node)
        left, right = node.left, node.right
        if isinstance(left.kind, Pointer) or isinstance(right.kind, Pointer):
            return f"({self._operand(left)} {operator} {self._operand(right)})"
        if not isinstance(left.kind, (Int, Bool, Aggregate)):
            return f"({self.value(left)} {operator} {self.value(right)})"
        a, b = self.bounds(left), self.bounds(right)
        if operator in ("==", "!="):
            differ = min(a[0], b[0]) < 0 and max(a[1], b[1]) >= _TOP
            kind = U64 if differ else None
        else:
            signed = arithmetic.common_sign(self.dialect, operator, left.kind, right.kind)
            kind = I64 if signed else U64
        if kind is None:
            return f"({self.value(left)} {operator} {self.value(right)})"
        return f"({self.number(left, kind)} {operator} {self.number(right, kind)})"

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

    def _conditional(self, node: tree.Conditional) -> str:
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
            self._widened(node, kind)
            if isinstance(kind, Int) and isinstance(node.kind, Int)
            else self.stored(node, kind)
        )

    def _widened(self, node: tree.Expression, kind: Int) -> str:
        """A number in a cast or behind ``?``: 0.17 extends it by the sign of the type that it becomes."""
        own = node.kind
        if self.dialect.old and isinstance(own, Int) and own.signed != kind.signed and own.bits < kind.bits:
            return wrapped(self.value(node), *self.bounds(node), Int(own.bits, kind.signed))
        return self.number(node, kind)

    def _cast(self, node: tree.Cast) -> str:
        kind = node.kind
        match kind:
            case Bool():
                return f"({self.condition(node.operand)} != 0)"
            case Int():
                target = self.c.structs.resolve(node.target)
                assert isinstance(target, Int)
                code = self._widened(node.operand, target)
                if isinstance(node.operand.kind, Bool):
                    return f"int({code})"
                return code
            case Pointer() if not isinstance(node.operand.kind, Pointer):
                return f"({self.number(node.operand, U64)}, None)"
            case Array() if isinstance(node.operand.kind, Str):
                return f"S.characters({self.value(node.operand)}, {self.out.constant(kind)})"
            case Array():
                return f"S.split({self.number(node.operand, U64)}, {self.out.constant(kind)})"
        return self.value(node.operand)

    def _size(self, node: tree.SizeOf) -> int:
        target = node.target
        kind = self.c.structs.resolve(target) if isinstance(target, tree.TypeName) else target.kind
        return self.c.structs.size(kind) or 8


def combined(operator: str, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Bounds of what Python gives for two numbers of these bounds."""
    if operator == "+":
        return a[0] + b[0], a[1] + b[1]
    if operator == "-":
        return a[0] - b[1], a[1] - b[0]
    if operator == "*":
        products = [x * y for x in a for y in b]
        return min(products), max(products)
    if operator == "&" and a[0] >= 0 and b[0] >= 0:
        return 0, min(a[1], b[1])
    if min(a[0], b[0]) >= 0:
        return 0, (1 << max(a[1], b[1]).bit_length()) - 1
    bits = max(x.bit_length() for x in (*a, *b))
    return -(1 << bits), (1 << bits) - 1


__all__ = ["STRING", "ExpressionSource", "default", "wrapped"]
