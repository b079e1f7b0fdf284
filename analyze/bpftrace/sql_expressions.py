"""SQL for expressions of actions that keep nothing from event to event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.arithmetic import MASK
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.constants import constant
from bpfrec.analyze.bpftrace.emitter import Emitter
from bpfrec.analyze.bpftrace.events import FORKS
from bpfrec.analyze.bpftrace.folding import constant_value, folded
from bpfrec.analyze.bpftrace.generate_calls import CallSource
from bpfrec.analyze.bpftrace.generate_expressions import ExpressionSource
from bpfrec.analyze.bpftrace.generate_shared import Making, combined
from bpfrec.analyze.bpftrace.kinds import I64, U64, Bool, Int, Kind, Pointer, Stack, is_text
from bpfrec.analyze.bpftrace.literals import parameter_value
from bpfrec.analyze.bpftrace.memory import TEXTS
from bpfrec.analyze.bpftrace.runtime import Runtime
from bpfrec.analyze.engine.sqltemplate import identifier, literal

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_SHORT = 15
"""Constants that no string is cut to are shorter."""


class NotSql(Exception):  # noqa: N818 - it says that the other back end has to run the script
    """An expression or statement that is no SQL; ``node`` is where, ``why`` what."""

    def __init__(self, node: tree.Node, why: str) -> None:
        super().__init__(why)
        self.node = node
        self.why = why


@dataclass(frozen=True)
class Number:
    """SQL for a number, a BIGINT where its bounds are those of one, else a HUGEINT."""

    sql: str
    low: int
    high: int

    @property
    def is_wide(self) -> bool:
        """Whether it is a HUGEINT."""
        return self.low < _LEAST or self.high > _GREATEST

    def wide(self) -> str:
        """SQL for it as a HUGEINT."""
        return self.sql if self.is_wide else f"CAST({self.sql} AS HUGEINT)"


@dataclass(frozen=True)
class Component:
    """A part of a key: SQL columns to group by, and what makes the script's value of what they hold."""

    columns: tuple[str, ...]
    value: Callable[[Runtime, tuple[Any, ...], int], Any]


def _number(value: int) -> Number:
    return Number(f"CAST({value} AS HUGEINT)" if not _LEAST <= value <= _GREATEST else str(value), value, value)


class SqlExpressions:
    """Makes SQL of expressions of one action; ``variables`` are what was assigned before, in place of their names."""

    def __init__(self, checked: Checked) -> None:
        self.c = checked.context
        self.dialect = checked.context.dialect
        self.out = Emitter()
        self.making = Making(checked, self.out)
        self.python = ExpressionSource(self.making)
        self.calls = CallSource(self.python)
        self.settings = checked.settings
        self.variables: dict[str, tree.Expression] = {}

    def column(self, kind: str, name: str = "", extra: str = "") -> str:
        """SQL for a column of the event."""
        return str(identifier(self.out.column(kind, name, extra)))

    # -- numbers

    def number(self, node: tree.Expression) -> Number:
        """SQL for the value of a number.

        Raises:
            NotSql: it is none that SQL can say.
        """
        match node:
            case tree.Integer():
                return _number(node.value)
            case tree.Boolean():
                return _number(int(node.value))
            case tree.Variable() if node.slot in self.variables:
                return self._converted(self.number(self.variables[node.slot]), node.kind)
            case tree.Parameter():
                value = parameter_value(self.c.parameters[node.number - 1]) if node.number <= self._given else 0
                if isinstance(value, int):
                    return _number(value)
            case tree.ParameterCount():
                return _number(self._given)
            case tree.Name():
                return self._name(node)
            case tree.Field() if isinstance(node.kind, (Int, Pointer)):
                return self._field(node)
            case tree.Unary():
                return self._unary(node)
            case tree.Binary():
                return self._binary(node)
            case tree.Conditional() if isinstance(node.kind, (Int, Bool)):
                return self._conditional(node)
            case tree.Cast() if isinstance(node.kind, Int):
                target = self.c.structs.resolve(node.target)
                return self._widened(node.operand, target)
            case tree.SizeOf() | tree.OffsetOf():
                return _number(int(self.python.value(node)))
            case tree.Call() if node.name == "strncmp":
                return Number(f"CAST({self.condition(node)} AS BIGINT)", 0, 1)
        raise NotSql(node, "this is not known before the event before it")

    @property
    def _given(self) -> int:
        return len(self.c.parameters)

    def _converted(self, value: Number, kind: Kind) -> Number:
        if isinstance(kind, Bool):
            return Number(f"CAST({value.sql} <> 0 AS BIGINT)", 0, 1)
        target = kind if isinstance(kind, Int) else U64
        low, high = arithmetic.bounds(target)
        if low <= value.low and value.high <= high:
            return value
        mask = (1 << target.bits) - 1
        if not target.signed:
            sql = f"({value.wide()} & CAST({mask} AS HUGEINT))"
        else:
            half = 1 << (target.bits - 1)
            sql = f"(({value.wide()} + CAST({half} AS HUGEINT) & CAST({mask} AS HUGEINT)) - CAST({half} AS HUGEINT))"
        narrow = low >= _LEAST and high <= _GREATEST
        return Number(f"CAST({sql} AS BIGINT)" if narrow else sql, low, high)

    def _widened(self, node: tree.Expression, kind: Kind) -> Number:
        """A number in a cast or behind ``?``: 0.17 extends it by the sign of the type that it becomes."""
        own, value = node.kind, self.number(node)
        if not (self.dialect.old and isinstance(kind, Int) and isinstance(own, Int)):
            return self._converted(value, kind)
        if own.signed != kind.signed and own.bits < kind.bits:
            value = self._converted(value, Int(own.bits, kind.signed))
        return self._converted(value, kind)

    def _name(self, node: tree.Name) -> Number:
        name = node.name
        if name in self.c.enums:
            return _number(self.c.enums[name])
        value = constant(name)
        if value is not None:
            return _number(value)
        match name:
            case "nsecs":
                return Number("t", 0, _GREATEST)
            case "elapsed":
                return Number(f"(t - {self.c.held.start_ns})", 0, _GREATEST)
            case "ncpus":
                return _number(self.c.held.cpus)
            case "cpid":
                return _number(self.c.held.command_pid or 0)
            case "retval":
                return self._converted(Number(f"CAST({self.column('ret')} AS BIGINT)", _LEAST, _GREATEST), U64)
            case "cpu" if any(site.source.is_exit and (site.call or FORKS[0]) in FORKS for site in self.making.sites):
                raise NotSql(node, "a new thread returns on a CPU that is not known")
            case "pid" | "tid" | "uid" | "cpu" | "ppid":
                return Number(f"CAST({self.column(name)} AS BIGINT)", 0, 2**32 - 1)
        raise NotSql(node, f"{name} is no number")

    def _field(self, node: tree.Field) -> Number:
        if not (isinstance(node.base, tree.Name) and node.base.name == "args"):
            raise NotSql(node, "memory behind pointers is read event by event")
        name = node.name
        if name in ("id", "__syscall_nr"):
            return Number(f"CAST({self.column('nr')} AS BIGINT)", -(2**15), 2**15)
        if name == "ret":
            return Number(f"CAST({self.column('ret')} AS BIGINT)", _LEAST, _GREATEST)
        field = self.making.sites[0].fields[name] if self.making.sites[0].fields else None
        if field is None or field.argument is None:
            return Number(f"CAST({self.column('sched', name)} AS BIGINT)", _LEAST, _GREATEST)
        return self._converted(Number(f"CAST({self.column('field', name)} AS HUGEINT)", 0, MASK), field.kind)

    def _unary(self, node: tree.Unary) -> Number:
        if node.operator == "!":
            return Number(f"CAST(NOT ({self.condition(node.operand)}) AS BIGINT)", 0, 1)
        if node.operator not in ("-", "~", "+"):
            raise NotSql(node, "memory behind pointers is read event by event")
        value = self.number(node.operand)
        if node.operator == "+":
            return value
        negated = Number(f"(-{value.wide()})", -value.high, -value.low)
        if node.operator == "~":
            negated = Number(f"(-1 - {value.wide()})", -1 - value.high, -1 - value.low)
        if not negated.is_wide:
            negated = Number(f"CAST({negated.sql} AS BIGINT)", negated.low, negated.high)
        return self._converted(negated, node.kind)

    def _binary(self, node: tree.Binary) -> Number:
        operator = node.operator
        if operator in arithmetic.COMPARISONS or operator in arithmetic.LOGICAL:
            return Number(f"CAST({self.condition(node)} AS BIGINT)", 0, 1)
        kind = arithmetic.as_int(node.kind)
        value = folded(node, self.dialect, kind)
        if value is not None:
            return _number(value)
        if isinstance(node.kind, Pointer):
            raise NotSql(node, "pointers are followed event by event")
        a, b = self.number(node.left), self.number(node.right)
        if operator in ("/", "%"):
            return self._divided(operator, a, b, kind)
        if operator in arithmetic.SHIFTS:
            return self._shifted(operator, a, b, kind, node)
        low, high = combined(operator, (a.low, a.high), (b.low, b.high))
        if operator == "^":
            operator = "xor"
        if low >= -(2**126) and high <= 2**126:
            made = f"xor({a.wide()}, {b.wide()})" if operator == "xor" else f"({a.wide()} {operator} {b.wide()})"
            narrow = low >= _LEAST and high <= _GREATEST
            return self._converted(Number(f"CAST({made} AS BIGINT)" if narrow else made, low, high), kind)
        raise NotSql(node, "a product of 128 bits")

    def _divided(self, operator: str, a: Number, b: Number, kind: Int) -> Number:
        dividend, divisor = self._converted(a, U64), self._converted(b, U64)
        symbol = "//" if operator == "/" else "%"
        sql = f"({dividend.wide()} {symbol} nullif({divisor.wide()}, 0))"
        otherwise = ("0" if operator == "/" else dividend.wide()) if self.dialect.old else "1"
        if b.low <= 0:
            sql = f"coalesce({sql}, {otherwise})"
        high = max(dividend.high, 1)
        if high <= _GREATEST:
            return self._converted(Number(f"CAST({sql} AS BIGINT)", 0, high), kind)
        return self._converted(Number(sql, 0, MASK), kind)

    def _shifted(self, operator: str, a: Number, b: Number, kind: Int, node: tree.Node) -> Number:
        if b.low != b.high:
            raise NotSql(node, "a shift by a number that is not constant")
        power = f"CAST({1 << (b.low & 63)} AS HUGEINT)"
        if operator == ">>":
            sql = f"({self._converted(a, U64).wide()} // {power})"
            return self._converted(Number(sql, 0, MASK), kind)
        # What would be shifted out is cut off before, for the product to fit.
        kept = (1 << (64 - (b.low & 63))) - 1
        sql = f"(({self._converted(a, U64).wide()} & CAST({kept} AS HUGEINT)) * {power})"
        return self._converted(Number(sql, 0, MASK), kind)

    def _conditional(self, node: tree.Conditional) -> Number:
        yes_node = node.condition if node.yes is None else node.yes
        yes, no = (self._widened(part, node.kind) for part in (yes_node, node.no))
        wide = yes.is_wide or no.is_wide
        first, second = (part.wide() if wide else part.sql for part in (yes, no))
        sql = f"CASE WHEN {self.condition(node.condition)} THEN {first} ELSE {second} END"
        return Number(sql, min(yes.low, no.low), max(yes.high, no.high))

    # -- conditions

    def condition(self, node: tree.Expression) -> str:
        """SQL that is TRUE or FALSE."""
        match node:
            case tree.Binary() if node.operator in arithmetic.LOGICAL:
                word = "AND" if node.operator == "&&" else "OR"
                return f"({self.condition(node.left)} {word} {self.condition(node.right)})"
            case tree.Binary() if node.operator in arithmetic.COMPARISONS:
                return self._comparison(node)
            case tree.Unary() if node.operator == "!":
                return f"(NOT {self.condition(node.operand)})"
            case tree.Call() if node.name == "strncmp":
                return self._strncmp(node)
        value = self.number(node)
        return f"({value.sql} <> 0)"

    def _comparison(self, node: tree.Binary) -> str:
        operator = {"==": "=", "!=": "<>"}.get(node.operator, node.operator)
        left, right = node.left, node.right
        if is_text(left.kind) or is_text(right.kind):
            for some, constant_text in ((left, right), (right, left)):
                if not isinstance(constant_text, tree.String):
                    continue
                if constant_text.value.isascii() and len(constant_text.value) < _SHORT:
                    return f"({self.text(some)} {operator} {literal(constant_text.value)})"
            raise NotSql(node, "strings are compared with constants alone")
        a, b = self.number(left), self.number(right)
        if node.operator in ("==", "!="):
            kind = U64 if min(a.low, b.low) < 0 and max(a.high, b.high) > _GREATEST else None
        elif isinstance(left.kind, Pointer) or isinstance(right.kind, Pointer):
            kind = None
        else:
            signed = arithmetic.common_sign(self.dialect, node.operator, left.kind, right.kind)
            kind = I64 if signed else U64
        if kind is not None:
            a, b = self._converted(a, kind), self._converted(b, kind)
        if a.is_wide or b.is_wide:
            return f"({a.wide()} {operator} {b.wide()})"
        return f"({a.sql} {operator} {b.sql})"

    def _strncmp(self, node: tree.Call) -> str:
        count = constant_value(node.arguments[2], self.c) or 0
        for a, b in ((node.arguments[0], node.arguments[1]), (node.arguments[1], node.arguments[0])):
            if isinstance(b, tree.String) and b.value.isascii():
                if len(b.value) < count:
                    return f"({self.text(a)} <> {literal(b.value)})"
                if "\\" not in b.value[:count]:
                    text = self.text(a, escaped=True)
                    return f"(NOT starts_with({text}, {literal(b.value[:count])}))"
        raise NotSql(node, "strings are compared with constants alone")

    def text(self, node: tree.Expression, escaped: bool = False) -> str:
        """SQL for a string that is compared with a short one in ASCII.

        Of one that is no UTF-8 the trace has a text with escapes, which equals nothing here; its beginning is compared
        as it is where it is ``escaped``, for what is compared with it has no backslash.
        """
        if isinstance(node, tree.String) and node.value.isascii():
            return str(literal(node.value))
        if isinstance(node, tree.Name) and node.name == "comm":
            return self.column("comm")
        if isinstance(node, tree.Variable) and node.slot in self.variables:
            return self.text(self.variables[node.slot], escaped)
        columns = self._string_columns(node)
        if columns is not None:
            text, status = columns
            shown = text if escaped else f"chr(1) || {text}"
            return (
                f"CASE WHEN {status} IS NULL THEN coalesce({text}, '') WHEN {status} = 'not-utf8'"
                f" THEN {shown} WHEN {status} IN ('null', 'unreadable') THEN '' ELSE coalesce({text}, '') END"
            )
        raise NotSql(node, "this string is made event by event")

    def _string_columns(self, node: tree.Expression) -> tuple[str, str] | None:
        """The columns of ``str(args.NAME)``."""
        if not (isinstance(node, tree.Call) and node.name == "str" and len(node.arguments) == 1):
            return None
        first = node.arguments[0]
        if not (isinstance(first, tree.Field) and isinstance(first.base, tree.Name) and first.base.name == "args"):
            return None
        kind = self.python.members.field_capture(first.name)
        if kind not in TEXTS or not isinstance(first.kind, Pointer):
            return None
        return self.column("text", first.name, kind), self.column("status", first.name, kind)

    # -- keys

    def component(self, node: tree.Expression, kind: Kind) -> Component:
        """A part of a key."""
        if isinstance(node, tree.Variable) and node.slot in self.variables:
            return self.component(self.variables[node.slot], kind)
        if isinstance(node, tree.Name) and node.name in ("probe", "func"):
            return self._probe(node.name == "func")
        if isinstance(node.kind, Stack):
            return self._stack(node)
        if isinstance(node, tree.String):
            text = node.value
            return Component((), lambda _runtime, _values, _count: text)
        if isinstance(node, tree.Name) and node.name == "comm":
            return Component((self.column("comm"),), lambda _runtime, values, _count: values[0])
        columns = self._string_columns(node)
        if columns is not None:
            return Component(columns, _string(self.settings.string_bytes))
        if isinstance(node.kind, Bool) and isinstance(kind, Bool):
            return Component((self.condition(node),), lambda _runtime, values, _count: bool(values[0]))
        if not isinstance(node.kind, (Int, Bool, Pointer)):
            raise NotSql(node, "this key is made event by event")
        if isinstance(node.kind, Pointer):
            return Component((self.number(node).sql,), lambda _runtime, values, _count: int(values[0]))
        signed = True if self.dialect.old else not isinstance(kind, Int) or kind.signed
        value = self._converted(self.number(node), Int(64, signed))
        return Component((value.sql,), lambda _runtime, values, _count: int(values[0]))

    def _probe(self, by_function: bool) -> Component:
        names = self.python.names.probe_names(by_function)
        if len(set(names.values())) == 1:
            name = next(iter(names.values()))
            return Component((), lambda _runtime, _values, _count: name)
        return Component((self.column("call"),), lambda _runtime, values, _count: names[values[0]])

    def _stack(self, node: tree.Expression) -> Component:
        if not isinstance(node, tree.Name) or node.name != "ustack" or not self.making.sites[0].call:
            raise NotSql(node, "this stack is looked up event by event")
        columns = (self.column("stack"), self.column("stack_status"), f"{self.column('ret')} IS NULL")
        return Component(
            columns,
            lambda runtime, values, _count: runtime.stack(values[0], values[1], None if values[2] else 0),
        )


def _string(most: int) -> Callable[[Runtime, tuple[Any, ...], int], str]:
    def value(runtime: Runtime, values: tuple[Any, ...], count: int) -> str:
        text, status = values
        if status is None:
            return runtime.pointers.cut(text or "", most)
        whole = runtime.pointers.text(text, status, 1)
        if status in runtime.pointers.incomplete:
            runtime.pointers.incomplete[status] += count - 1
        return runtime.pointers.cut(whole, most)

    return value
