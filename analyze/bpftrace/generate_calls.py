"""Python source for calls of functions, and for printing; methods are called like the functions they serve."""

from __future__ import annotations

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.folding import constant_value
from bpfrec.analyze.bpftrace.formats import INTEGERS, parse_format
from bpfrec.analyze.bpftrace.functions import STACK_MODES
from bpfrec.analyze.bpftrace.generate_expressions import ExpressionSource
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    U64,
    Aggregate,
    Array,
    Bool,
    Int,
    Kind,
    Pointer,
    Struct,
    is_text,
)
from bpfrec.analyze.bpftrace.memory import TEXTS

_FALSE = ("0", "false")
_SHORT = 15
"""Strings of so many characters fit whatever their limit."""


class CallSource:
    """Makes source of calls."""

    def __init__(self, expressions: ExpressionSource) -> None:
        self.e = expressions
        self.making = expressions.making
        self.c = expressions.c
        self.out = expressions.out
        self.settings = expressions.making.checked.settings
        expressions.calls = self.value

    def value(self, node: tree.Call) -> str:
        """Source for what a call gives."""
        source: str = getattr(self, f"call_{node.name}")(node)
        return source

    def statement(self, node: tree.Call) -> None:
        """Adds a call that stands by itself."""
        self.out.line(self.value(node))

    def _map(self, node: tree.Call) -> str:
        first = node.arguments[0]
        assert isinstance(first, tree.Map)
        return self.making.map_names[first.name]

    # -- printing

    def call_printf(self, node: tree.Call) -> str:
        """printf() writes; errorf() and warnf() write to standard error."""
        first, *values = node.arguments
        assert isinstance(first, tree.String)
        parsed = parse_format(first.value, self.c.dialect)
        position, passed = 0, []
        for conversion in parsed.conversions:
            for _ in range(conversion.stars):
                passed.append(self.e.number(values[position], Int(32, signed=True)))
                position += 1
            passed.append(self._printed(values[position], conversion.form))
            position += 1
        kinds = tuple(value.kind for value in values)
        arguments = "".join(item + ", " for item in passed)
        place = "" if node.name == "printf" else f", {self.out.constant((node.span, *node.expanded))}"
        return f"S.{node.name}({self.out.constant(parsed)}, {self.out.constant(kinds)}, ({arguments}){place})"

    call_errorf = call_warnf = call_printf

    def _printed(self, node: tree.Expression, form: str) -> str:
        kind = node.kind
        if form in INTEGERS or form == "p":
            if isinstance(kind, Pointer):
                return f"{self.e.value(node)}[0]"
            return f"int({self.e.value(node)})" if isinstance(kind, Bool) else self.e.value(node)
        return self.e.value(node)

    def call_print(self, node: tree.Call) -> str:
        """print() of a map or a value."""
        first, *numbers = node.arguments
        if isinstance(first, tree.Map) and not first.indexed:
            top, div = (constant_value(numbers[i], self.c) or 0 if i < len(numbers) else 0 for i in (0, 1))
            return f"S.print_map({first.name!r}, {top}, {div}, {len(numbers) > 1})"
        if isinstance(first, tree.Map):
            info = self.c.maps[first.name]
            name = self.making.map_names[first.name]
            if isinstance(info.value, Aggregate):
                return f"S.print_entry({first.name!r}, {name}, {self.e.key(first)})"
        kind: Kind = first.kind
        return f"S.print_value({self.e.value(first)}, {self.out.constant(kind)})"

    def call_clear(self, node: tree.Call) -> str:
        """clear()"""
        first = node.arguments[0]
        assert isinstance(first, tree.Map)
        return f"S.clear({first.name!r})"

    def call_zero(self, node: tree.Call) -> str:
        """zero()"""
        first = node.arguments[0]
        assert isinstance(first, tree.Map)
        return f"S.zero({first.name!r})"

    def call_time(self, node: tree.Call) -> str:
        """time()"""
        return f"S.time({self.e.value(node.arguments[0]) if node.arguments else repr('%H:%M:%S' + chr(10))}, t)"

    def call_join(self, node: tree.Call) -> str:
        """join()"""
        separator = self.e.value(node.arguments[1]) if len(node.arguments) > 1 else "' '"
        return f"S.join({self.e.value(node.arguments[0])}, {separator})"

    def call_exit(self, node: tree.Call) -> str:
        """exit()"""
        return f"S.exit({self.e.number(node.arguments[0], I64) if node.arguments else 0})"

    def call_assert(self, node: tree.Call) -> str:
        """assert()"""
        text = self.e.value(node.arguments[1]) if len(node.arguments) > 1 else "''"
        place = self.out.constant((node.span, *node.expanded))
        return f"S.check({self.e.condition(node.arguments[0])}, {text}, {place})"

    # -- maps

    def call_delete(self, node: tree.Call) -> str:
        """delete()"""
        first = node.arguments[0]
        assert isinstance(first, tree.Map)
        info = self.c.maps[first.name]
        if self.c.dialect.old and info.keys == () and info.value == Aggregate("count", True):
            return f"S.clear({first.name!r})"
        return f"({self._map(node)}.pop({self.e.key(first)}, None) is not None)"

    def call_has_key(self, node: tree.Call) -> str:
        """has_key()"""
        first = node.arguments[0]
        assert isinstance(first, tree.Map)
        return f"({self.e.key(first)} in {self._map(node)})"

    def call_len(self, node: tree.Call) -> str:
        """len()"""
        first = node.arguments[0]
        if isinstance(first, tree.Map) and not first.indexed:
            return f"len({self._map(node)})"
        return f"S.depth({self.e.value(first)})"

    # -- strings and memory

    def call_str(self, node: tree.Call) -> str:
        """str(): a path that a field leads to needs no pointer to be made."""
        first = node.arguments[0]
        limit = self._limit(node, less=0 if self.c.dialect.old or is_text(first.kind) else 1)
        if is_text(first.kind):
            return self._cut(self.e.value(first), limit)
        if isinstance(first, tree.Field) and isinstance(first.base, tree.Name) and first.base.name == "args":
            kind = self.e.members.field_capture(first.name)
            if kind in TEXTS and isinstance(first.kind, Pointer):
                return self._cut(self.e.members.field_text(first.name, kind), limit)
        if not isinstance(first.kind, Pointer):
            if isinstance(first, (tree.Parameter, tree.Integer)):
                return f"F.number_text({self.e.value(first)})"
            return f"P.string(({self.e.value(first)}, None), {limit})"
        return f"P.string({self.e.value(first)}, {limit})"

    def _limit(self, node: tree.Call, less: int) -> str:
        most = self.settings.string_bytes
        if len(node.arguments) < 2:
            return str(most)
        given = constant_value(node.arguments[1], self.c)
        if given is not None:
            return str(max(0, min(most, given - less)))
        return f"max(0, min({most}, {self.e.number(node.arguments[1], I64)} - {less}))"

    def _cut(self, code: str, limit: str) -> str:
        if limit.isdigit() and int(limit) >= _SHORT:
            name = self.out.temporary()
            return f"({name} if len({name} := {code}) <= {_SHORT} else P.cut({name}, {limit}))"
        return f"P.cut({code}, {limit})"

    def call_buf(self, node: tree.Call) -> str:
        """buf()"""
        first = node.arguments[0]
        kind = first.kind
        length = self.e.number(node.arguments[1], I64) if len(node.arguments) > 1 else "None"
        if is_text(kind):
            return f"F.text_buffer({self.e.value(first)}, {length})"
        if isinstance(kind, Array):
            return f"F.array_buffer({self.e.value(first)}, {length}, {self.out.constant(kind)})"
        if isinstance(kind, Pointer):
            return f"P.buffer({self.e.value(first)}, {length}, {self.settings.string_bytes})"
        return f"P.buffer(({self.e.value(first)}, None), {length}, {self.settings.string_bytes})"

    def call_strncmp(self, node: tree.Call) -> str:
        """strncmp()"""
        first, second, length = node.arguments
        count = constant_value(length, self.c)
        return f"F.strncmp({self.e.value(first)}, {self.e.value(second)}, {count})"

    def call_strcontains(self, node: tree.Call) -> str:
        """strcontains()"""
        code = f"({self.e.value(node.arguments[1])} in {self.e.value(node.arguments[0])})"
        return f"int({code})" if self.c.dialect.old else code

    def call_strstr(self, node: tree.Call) -> str:
        """strstr()"""
        return f"F.find({self.e.value(node.arguments[0])}, {self.e.value(node.arguments[1])})"

    def call_strlen(self, node: tree.Call) -> str:
        """strlen()"""
        return f"F.length({self.e.value(node.arguments[0])})"

    # -- names of numbers

    def call_strerror(self, node: tree.Call) -> str:
        """strerror()"""
        return f"S.strerror({self.e.number(node.arguments[0], I64)})"

    def call_syscall_name(self, node: tree.Call) -> str:
        """syscall_name()"""
        return f"F.syscall_name({self.e.number(node.arguments[0], I64)})"

    def call_signal_name(self, node: tree.Call) -> str:
        """signal_name()"""
        return f"F.signal_name({self.e.number(node.arguments[0], I64)})"

    def call_bswap(self, node: tree.Call) -> str:
        """bswap()"""
        kind = node.kind
        bits = kind.bits if isinstance(kind, Int) else 64
        return f"F.swapped({self.e.number(node.arguments[0], Int(bits, signed=False))}, {bits // 8})"

    def call_ntop(self, node: tree.Call) -> str:
        """ntop()"""
        last = node.arguments[-1]
        family = self.e.number(node.arguments[0], I64) if len(node.arguments) > 1 else "0"
        kind = last.kind
        if isinstance(kind, Array):
            return f"F.ntop_bytes({family}, {self._as_bytes(last, kind)})"
        if isinstance(kind, (Struct, Pointer)):
            return f"P.ntop_memory({family}, {self.e.value(last)})"
        return f"F.ntop({family}, {self.e.number(last, U64)})"

    def _as_bytes(self, node: tree.Expression, kind: Array) -> str:
        return f"F.array_buffer({self.e.value(node)}, None, {self.out.constant(kind)})"

    def call_pton(self, node: tree.Call) -> str:
        """pton()"""
        return f"F.pton({self.e.value(node.arguments[0])})"

    def call_macaddr(self, node: tree.Call) -> str:
        """macaddr()"""
        kind = node.arguments[0].kind
        assert isinstance(kind, Array)
        return f"F.macaddr({self._as_bytes(node.arguments[0], kind)})"

    # -- time and stacks

    def call_strftime(self, node: tree.Call) -> str:
        """strftime()"""
        return f"S.strftime({self.e.value(node.arguments[0])}, {self.e.number(node.arguments[1], U64)})"

    def call_nsecs(self, _node: tree.Call) -> str:
        """nsecs()"""
        return "t"

    def call_usym(self, node: tree.Call) -> str:
        """usym(), ksym()"""
        return f"S.symbol({self.e.number(node.arguments[0], U64)})"

    call_ksym = call_usym

    def call_ustack(self, node: tree.Call) -> str:
        """ustack(), kstack()"""
        limit = None
        for argument in node.arguments:
            if not (isinstance(argument, tree.Name) and argument.name in STACK_MODES):
                limit = constant_value(argument, self.c)
        return self.e.names.stack(node.name, limit)

    call_kstack = call_ustack

    def call_getopt(self, node: tree.Call) -> str:
        """getopt(): known before it runs."""
        name = node.arguments[0]
        assert isinstance(name, tree.String)
        given = self.c.options.get(name.value)
        if len(node.arguments) < 2:
            return str(given is not None and given.lower() not in _FALSE)
        if given is None:
            return self.e.value(node.arguments[1])
        kind = node.kind
        if isinstance(kind, Int):
            return f"({int(given, 0)})"
        return repr(given.lower() not in _FALSE) if isinstance(kind, Bool) else repr(given)
