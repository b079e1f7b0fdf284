"""Checks statements: what is assigned to what, where loops and variables are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import zip_longest

from bpfrec.analyze.bpftrace import arithmetic, tree
from bpfrec.analyze.bpftrace.check_calls import CallCheck
from bpfrec.analyze.bpftrace.check_context import Context
from bpfrec.analyze.bpftrace.check_expressions import ExpressionCheck
from bpfrec.analyze.bpftrace.errors import Problem
from bpfrec.analyze.bpftrace.folding import constant_value
from bpfrec.analyze.bpftrace.functions import AGGREGATES
from bpfrec.analyze.bpftrace.kinds import (
    I64,
    U64,
    Aggregate,
    Bool,
    Int,
    Kind,
    Pointer,
    Str,
    Tup,
    Unknown,
    Void,
    is_number,
    same_family,
)
from bpfrec.analyze.bpftrace.scopes import MapInfo, Scope


class StatementCheck:
    """Checks statements; what is wrong is collected, and the next statement checked."""

    def __init__(self, context: Context, problems: list[Problem]) -> None:
        self.c = context
        self.e = ExpressionCheck(context)
        self.e.blocks = self.block
        self.calls = CallCheck(context, self.e)
        self.problems = problems

    def guard(self, action: Callable[[], None]) -> None:
        """Runs ``action`` and notes its problem."""
        try:
            action()
        except Problem as problem:
            self.problems.append(problem)

    def predicate(self, node: tree.Expression) -> None:
        """The condition of a probe."""
        kind = self.e.check(node)
        if not is_number(kind) and not isinstance(kind, (Pointer, Unknown)):
            raise Problem(node.span, f"Invalid type for predicate: '{kind}'")

    def block(self, node: tree.Block, value: tree.Expression | None = None) -> Kind:
        """Statements in braces, which are a scope; the type of ``value``, which stands behind them in it."""
        self.c.scope = Scope(outer=self.c.scope)
        for statement, following in zip_longest(node.statements, node.statements[1:]):
            self.guard(partial(self.statement, statement))
            if following is not None and _leaves(statement) and not self.c.dialect.old:
                self.c.warn(following.span, "Unreachable statement")
        try:
            return Void() if value is None else self.e.check(value)
        finally:
            assert self.c.scope.outer is not None
            self.c.scope = self.c.scope.outer

    def statement(self, node: tree.Statement) -> None:
        """One statement."""
        match node:
            case tree.Evaluate():
                self._evaluate(node)
            case tree.Let():
                self._let(node)
            case tree.Assign():
                self._assign(node)
            case tree.If():
                self._condition(node.condition, "if")
                self.block(node.yes)
                if node.no is not None:
                    self.block(node.no)
            case tree.Unroll():
                self.e.check(node.count)
                times = constant_value(node.count, self.c)
                if times is None:
                    raise Problem(node.count.span, "invalid unroll value: it has to be a literal or a parameter")
                if times < 1:
                    raise Problem(node.count.span, "unroll minimum value is 1")
                if times > 100:
                    raise Problem(node.count.span, "unroll maximum value is 100")
                node.times = times
                self._loop(node.body)
            case tree.While():
                self._condition(node.condition, "while")
                if not self.c.dialect.old:
                    self.c.warn(node.span, "While loops are deprecated. Use range-based for loops instead.")
                self._loop(node.body)
            case tree.ForRange():
                for bound in (node.start, node.end):
                    self.e.number(bound, "Loop range requires integers")
                self._for(node.variable, I64, node.body)
            case tree.ForMap():
                self._for_map(node)
            case tree.Return():
                if node.value is not None:
                    self.e.check(node.value)
            case tree.Break() | tree.Continue():
                if not self.c.loops:
                    word = "break" if isinstance(node, tree.Break) else "continue"
                    raise Problem(node.span, f"'{word}' statement should be contained inside a loop")
            case tree.Block():
                self.block(node)

    def _evaluate(self, node: tree.Evaluate) -> None:
        value = node.value
        if isinstance(value, tree.Name) and value.name in ("kstack", "ustack") and not self.c.held.profile_hz:
            # It has no effect, so it needs nothing from the trace.
            value.kind = Void()
            return
        kind = self.e.check(value)
        if isinstance(value, tree.Call) and value.name in AGGREGATES:
            raise Problem(value.span, f"{value.name}() should be assigned to a map")
        del kind

    def _condition(self, node: tree.Expression, what: str) -> None:
        kind = self.e.check(node)
        if not is_number(kind) and not isinstance(kind, (Pointer, Unknown)):
            raise Problem(node.span, f"Invalid condition in {what}(): {kind}")

    def _loop(self, body: tree.Block) -> None:
        self.c.loops += 1
        self.block(body)
        self.c.loops -= 1

    def _for(self, variable: tree.Variable, kind: Kind, body: tree.Block) -> None:
        self.c.scope = Scope(outer=self.c.scope)
        info = self.c.variable(variable.name, self.c.scope)
        info.kind = kind
        variable.slot, variable.kind = info.slot, kind
        self._loop(body)
        assert self.c.scope.outer is not None
        self.c.scope = self.c.scope.outer

    def _for_map(self, node: tree.ForMap) -> None:
        info = self.c.defined(node.over.name, node.over.span)
        info.read = True
        if info.keys == () and self.c.final:
            raise Problem(node.over.span, "Maps without keys cannot be iterated over: use the map itself")
        keys = info.keys or ()
        key: Kind = keys[0] if len(keys) == 1 else Tup(keys)
        value: Kind = info.value
        if isinstance(value, Aggregate):
            value = I64 if value.signed else U64
        self._for(node.variable, Tup((key, value)), node.body)

    def _let(self, node: tree.Let) -> None:
        kind: Kind = Unknown()
        if node.type_name is not None:
            kind = self.e.types.resolved(node.type_name)
        if node.value is not None:
            given = self.e.check(node.value)
            self._assignable(node.value, given, node.target.name)
            if isinstance(kind, Unknown):
                kind = _stored(given)
            elif not same_family(kind, given):
                raise Problem(
                    node.span,
                    f"Type mismatch for {node.target.name}: trying to assign value of type '{given}' when variable "
                    f"already has a type '{kind}'",
                )
        info = self.c.scope.variables.get(node.target.name)
        if info is None or node.value is None or node.type_name is not None:
            info = self.c.variable(node.target.name, self.c.scope)
        if isinstance(kind, Unknown):
            kind = self._kept(info.slot)
        info.kind, info.declared = kind, True
        self._keep(info.slot, kind)
        node.target.slot, node.target.kind = info.slot, kind

    def _assignable(self, node: tree.Expression, kind: Kind, name: str) -> None:
        if isinstance(kind, Void):
            raise Problem(node.span, f"Cannot assign '{kind}' to {name}")
        if isinstance(node, tree.Call) and node.name in AGGREGATES:
            raise Problem(node.span, f"{node.name}() should be assigned to a map")

    def _assign(self, node: tree.Assign) -> None:
        target = node.target
        if isinstance(target, tree.Map):
            self._assign_map(node, target)
        elif isinstance(target, tree.Variable):
            self._assign_variable(node, target)
        elif isinstance(target, tree.Name) and target.name == "_" and not node.operator:
            self.e.check(node.value)
        else:
            raise Problem(target.span, "Assignments are to maps and variables")

    def _operated(self, node: tree.Assign, kind: Kind, given: Kind) -> Kind:
        """The type of ``target operator value``."""
        if isinstance(kind, Pointer) and node.operator in ("+", "-"):
            return kind
        if not is_number(kind) or not is_number(given):
            raise Problem(
                node.span,
                f"The {node.operator} operator can not be used on expressions of types '{kind}', '{given}'",
            )
        return arithmetic.result_kind(self.c.dialect, node.operator, kind, given)

    def _assign_map(self, node: tree.Assign, target: tree.Map) -> None:
        info = self.e.maps.keys(target)
        try:
            given = self.e.check(node.value)
        except Problem:
            info.is_wrong = True
            raise
        if isinstance(given, Void):
            raise Problem(node.span, f"Cannot assign '{given}' to {target.name}")
        if node.operator and isinstance(info.value, Unknown):
            info.value = U64 if self.c.dialect.old else I64
            self.c.changed = True
        if isinstance(given, Unknown):
            return
        if node.operator:
            if not isinstance(info.value, Aggregate):
                self._operated(node, info.value, given)
            self.e.maps.widen(info, -(2**63), 2**64 - 1)
            target.kind = info.value
            return
        is_aggregate = isinstance(node.value, tree.Call) and node.value.name in AGGREGATES
        if isinstance(info.value, Unknown):
            info.value = given if is_aggregate else _held(given)
            self.c.changed = True
        if isinstance(info.value, Aggregate) != is_aggregate or not same_family(info.value, given):
            raise Problem(
                node.span,
                f"Type mismatch for {target.name}: trying to assign value of type '{given}' when map already contains "
                f"a value of type '{info.value}'",
            )
        self._merge(info, given, node.value)
        target.kind = info.value

    def _merge(self, info: MapInfo, given: Kind, value: tree.Expression) -> None:
        """Notes that a map is assigned a value of another type of the same family, too."""
        merged = info.value
        if isinstance(given, Int) and isinstance(info.value, Int):
            if not self.c.dialect.old:
                stored = arithmetic.meet(self.c.dialect, info.value, given)
                merged = Int(64, stored.signed, stored.literal, stored.enum) if isinstance(stored, Int) else stored
            low, high = bounds_of(value, given)
            self.e.maps.widen(info, low, high)
        elif isinstance(given, Aggregate) and isinstance(info.value, Aggregate) and given.signed != info.value.signed:
            merged = Aggregate(given.form, True, given.bounds)
        elif isinstance(info.value, Str) and isinstance(given, Str) and given != info.value:
            merged = Str()
        elif isinstance(info.value, Bool) and isinstance(given, Int):
            merged = I64
        if merged != info.value:
            info.value = merged
            self.c.changed = True

    def _assign_variable(self, node: tree.Assign, target: tree.Variable) -> None:
        try:
            given = self.e.check(node.value)
        except Problem:
            # That it is not defined would be a second error for the same reason.
            if self.c.scope.find(target.name) is None:
                self.c.variable(target.name, self.c.action)
            raise
        self._assignable(node.value, given, target.name)
        info = self.c.scope.find(target.name)
        if info is None:
            if node.operator:
                raise Problem(target.span, f"Undefined or undeclared variable: {target.name}")
            info = self.c.variable(target.name, self.c.action)
            info.kind = self._kept(info.slot)
        if isinstance(given, Unknown):
            target.slot, target.kind = info.slot, info.kind
            return
        if node.operator:
            given = self._operated(node, info.kind, given) if not isinstance(info.kind, Unknown) else given
        if isinstance(info.kind, Unknown):
            info.kind = _stored(given)
        elif not same_family(info.kind, given):
            raise Problem(
                node.span,
                f"Type mismatch for {target.name}: trying to assign value of type '{given}' when variable already has "
                f"a type '{info.kind}'",
            )
        elif isinstance(info.kind, Int) and isinstance(given, Int) and not self.c.dialect.old:
            if (info.kind.bits, info.kind.signed) != (given.bits, given.signed):
                met = arithmetic.as_int(arithmetic.meet(self.c.dialect, info.kind, given))
                info.kind = Int(64, met.signed, met.literal)
        elif isinstance(info.kind, Bool) and isinstance(given, Int):
            info.kind = I64
        elif isinstance(info.kind, Pointer) and info.kind.to is None:
            info.kind = given
        self._keep(info.slot, info.kind)
        target.slot, target.kind = info.slot, info.kind

    def _kept(self, slot: str) -> Kind:
        """What an earlier pass found a variable to be."""
        return self.c.kept.get((id(self.c.sites), slot), Unknown())

    def _keep(self, slot: str, kind: Kind) -> None:
        if self.c.kept.get((id(self.c.sites), slot)) != kind:
            self.c.kept[id(self.c.sites), slot] = kind
            self.c.changed = True


def _leaves(node: tree.Statement) -> bool:
    """Whether nothing behind it in its block is ever done."""
    if isinstance(node, tree.Evaluate):
        return isinstance(node.value, tree.Call) and node.value.name == "exit"
    return isinstance(node, (tree.Return, tree.Break, tree.Continue))


def bounds_of(node: tree.Expression, kind: Int) -> tuple[int, int]:
    """Bounds of the value of an expression: tight for constants and times, else those of its type."""
    if isinstance(node, tree.Integer):
        return min(node.value, 0), max(node.value, 0)
    if isinstance(node, tree.Name) and node.name in ("nsecs", "elapsed"):
        return 0, 2**62
    low, high = arithmetic.bounds(kind)
    return min(low, 0), high


def _stored(kind: Kind) -> Kind:
    """The type that a map or variable has by what it is assigned."""
    if isinstance(kind, Int) and kind.literal:
        return Int(64, kind.signed, True)
    if isinstance(kind, Aggregate) and is_number(kind):
        return I64 if kind.signed else U64
    return kind


def _held(kind: Kind) -> Kind:
    """The type of what a map holds: its integers have 64 bits."""
    kept = _stored(kind)
    return Int(64, kept.signed, kept.literal, kept.enum) if isinstance(kept, Int) else kept
