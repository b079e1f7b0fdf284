"""Compiles a checked script to Python: one function over a batch of events, and one for each timer, BEGIN and END."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bpfrec.analyze.bpftrace import arithmetic, run_functions, tree
from bpfrec.analyze.bpftrace.check import Checked, CheckedProbe
from bpfrec.analyze.bpftrace.emitter import Column, Emitter
from bpfrec.analyze.bpftrace.functions import AGGREGATES
from bpfrec.analyze.bpftrace.generate_calls import CallSource
from bpfrec.analyze.bpftrace.generate_expressions import ExpressionSource
from bpfrec.analyze.bpftrace.generate_shared import Making, default, number_kind, wrapped
from bpfrec.analyze.bpftrace.kinds import Aggregate, Int, Pointer
from bpfrec.analyze.bpftrace.probes import Site, Source
from bpfrec.analyze.bpftrace.walk import walk

_LEAST_OF_OLD = 0xFFFFFFFF
"""0.17 stores this number less the value for min(), and nothing where that is negative."""


@dataclass(frozen=True)
class EventClass:
    """Events at which the same actions run: ``actions`` are their numbers, in the order of the script."""

    number: int
    source: Source
    calls: tuple[str | None, ...]
    actions: tuple[int, ...]


@dataclass
class Program:
    """A compiled script: its source, constants, columns of events, and which events it runs at."""

    source: str
    constants: list[Any]
    columns: list[Column]
    classes: list[EventClass]
    timers: list[tuple[int, int]] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def functions(self, runtime: Any, maps: dict[str, Any]) -> dict[str, Any]:
        """The functions of the program, bound to ``runtime`` and to the maps of a run."""
        names = {f"K{number}": value for number, value in enumerate(self.constants)}
        names |= {f"M{number}": maps[name] for number, name in enumerate(sorted(maps))}
        scope: dict[str, Any] = {}
        exec(compile(self.source, "<script>", "exec"), {}, scope)  # noqa: S102 - source that generate() made
        made: dict[str, Any] = scope["make"](runtime, runtime.pointers, run_functions, **names)
        return made


def event_classes(probes: list[CheckedProbe]) -> list[EventClass]:
    """The events at which anything runs, those with the same actions together."""
    actions: dict[tuple[Source, str | None], list[int]] = {}
    for number, probe in enumerate(probes):
        for site in probe.sites:
            if site.source.has_event:
                actions.setdefault((site.source, site.call), []).append(number)
    together: dict[tuple[Source, tuple[int, ...]], list[str | None]] = {}
    for (source, call), numbers in actions.items():
        together.setdefault((source, tuple(numbers)), []).append(call)
    return [
        EventClass(number, source, tuple(calls), numbers)
        for number, ((source, numbers), calls) in enumerate(together.items())
    ]


def generate(checked: Checked) -> Program:
    """The program of ``checked``."""
    return _Generator(checked).program()


class _Generator:
    def __init__(self, checked: Checked) -> None:
        self.checked = checked
        self.out = Emitter()
        self.making = Making(checked, self.out)
        self.e = ExpressionSource(self.making)
        self.calls = CallSource(self.e)
        self.e.statements = self._block
        self.in_function = False

    def program(self) -> Program:
        probes = self.checked.probes
        classes = event_classes(probes)
        functions: list[str] = []
        bodies: dict[int, list[str]] = {}
        timers: list[tuple[int, int]] = []
        begins: list[int] = []
        ends: list[int] = []
        for number, probe in enumerate(probes):
            sites = [site for site in probe.sites if not site.source.has_event]
            for position, site in enumerate(sites):
                name = f"timed_{number}_{position}"
                functions += self._function(name, "t", probe, [site])
                if site.source is Source.BEGIN:
                    begins.append(number)
                elif site.source is Source.END:
                    ends.append(number)
                else:
                    timers.append((len(timers), site.period_ns))
                self.order.append((site.source, name))
        for event in classes:
            for number in dict.fromkeys(event.actions):
                if number not in bodies:
                    bodies[number] = self._event_body(number, probes[number], functions)
        columns = list(self.out.columns)
        lines = ["def make(S, P, F, " + ", ".join(self._names()) + "):"]
        lines += ["    " + line for line in functions]
        lines.append("    def run(due, T, C" + "".join(f", L_{c.variable}" for c in columns) + "):")
        row = "".join(f", {c.variable}" for c in columns)
        lists = "".join(f", L_{c.variable}" for c in columns)
        lines.append(f"        for t, k{row} in zip(T, C{lists}):")
        lines += ["            if t >= due:", "                due = S.tick(t)"]
        for position, event in enumerate(classes):
            lines.append(f"            {'if' if position == 0 else 'elif'} k == {event.number}:")
            lines += ["                " + line for number in event.actions for line in bodies[number]]
        lines.append("        return due")
        named = ", ".join(f"{name!r}: {name}" for name in ("run", *(name for _, name in self.order)))
        lines.append(f"    return {{{named}}}")
        return Program(
            "\n".join(lines) + "\n",
            self.out.constants,
            columns,
            classes,
            [(i, period) for i, period in timers],
            begins,
            ends,
        )

    @property
    def order(self) -> list[tuple[Source, str]]:
        """The functions that are no action of an event: what they are, and their names."""
        return self.__dict__.setdefault("_order", [])  # type: ignore[no-any-return]

    def _names(self) -> list[str]:
        constants = [f"K{number}" for number in range(len(self.out.constants))]
        return constants + [self.making.map_names[name] for name in sorted(self.checked.maps)]

    def _function(self, name: str, parameters: str, probe: CheckedProbe, sites: list[Site]) -> list[str]:
        with self.out.captured() as lines:
            self.in_function = True
            with self.out.nested(f"def {name}({parameters}):"):
                self._action(probe, sites)
            self.in_function = False
        return lines

    def _event_body(self, number: int, probe: CheckedProbe, functions: list[str]) -> list[str]:
        """The lines of an action in the loop over events; one with ``return`` is a function of its own."""
        sites = [site for site in probe.sites if site.source.has_event]
        if not _returns(probe.body):
            with self.out.captured() as lines:
                self._action(probe, sites)
                if not lines:
                    self.out.line("pass")
            return lines
        before = dict(self.out.columns)
        self.out.columns.clear()
        with self.out.captured():
            self._action(probe, sites)
        used = list(self.out.columns)
        self.out.columns.clear()
        self.out.columns.update(before | dict.fromkeys(used))
        parameters = ", ".join(("t", *(column.variable for column in used)))
        functions += self._function(f"action_{number}", parameters, probe, sites)
        return [f"action_{number}({parameters})"]

    def _action(self, probe: CheckedProbe, sites: list[Site]) -> None:
        self.making.sites = sites
        self._initialise(probe.body)
        if probe.predicate is not None:
            with self.out.nested(f"if {self.e.condition(probe.predicate)}:"):
                self._block(probe.body)
        else:
            self._block(probe.body)

    def _initialise(self, body: tree.Block) -> None:
        """Gives variables that are set in an inner block alone their zero."""
        outer = {
            statement.target.slot
            for statement in body.statements
            if isinstance(statement, (tree.Assign, tree.Let)) and isinstance(statement.target, tree.Variable)
        }
        for slot, kind in _variables(body).items():
            if slot not in outer:
                self.out.line(f"{slot} = {default(kind)}")

    # -- statements

    def _block(self, node: tree.Block) -> None:
        for statement in node.statements:
            self._statement(statement)

    def _statement(self, node: tree.Statement) -> None:
        match node:
            case tree.Evaluate():
                self._evaluate(node.value)
            case tree.Let():
                code = default(node.target.kind) if node.value is None else self.e.stored(node.value, node.target.kind)
                self.out.line(f"{node.target.slot} = {code}")
            case tree.Assign():
                self._assign(node)
            case tree.If():
                with self.out.nested(f"if {self.e.condition(node.condition)}:"):
                    self._block(node.yes)
                if node.no is not None:
                    with self.out.nested("else:"):
                        self._block(node.no)
            case tree.Unroll():
                with self.out.nested(f"for _ in range({node.times}):"):
                    self._block(node.body)
            case tree.While():
                with self.out.nested("while True:"):
                    self.out.line(f"if not {self.e.condition(node.condition)}: break")
                    self.out.line("S.turn()")
                    self._block(node.body)
            case tree.ForRange():
                signed = Int(64, signed=True)
                bounds = f"{self.e.number(node.start, signed)}, {self.e.number(node.end, signed)}"
                with self.out.nested(f"for {node.variable.slot} in S.range({bounds}):"):
                    self._block(node.body)
            case tree.ForMap():
                with self.out.nested(f"for {node.variable.slot} in S.entries({node.over.name!r}):"):
                    self._block(node.body)
            case tree.Return():
                self.out.line("return")
            case tree.Break():
                self.out.line("break")
            case tree.Continue():
                self.out.line("continue")
            case tree.Block():
                self._block(node)

    def _evaluate(self, node: tree.Expression) -> None:
        match node:
            case tree.Call():
                self.calls.statement(node)
            case tree.Step():
                self._step(node)
            case tree.BlockExpression():
                self._block(node.block)
                if node.value is not None:
                    self._evaluate(node.value)
            case tree.Name() if node.name in ("kstack", "ustack"):
                pass
            case tree.Binary() | tree.Conditional() | tree.Unary() | tree.Tuple() | tree.Cast():
                self.out.line(self.e.value(node))
            case _:
                pass

    def _step(self, node: tree.Step) -> None:
        sign = "+" if node.operator == "++" else "-"
        if isinstance(node.target, tree.Map):
            info = self.checked.maps[node.target.name]
            name = self.making.map_names[node.target.name]
            key = self._named(self.e.key(node.target))
            if isinstance(info.value, Pointer):
                self.out.line(self.e.value(node))
                return
            current = f"{name}.get({key}, 0)"
            kind = Int(64, number_kind(info.value).signed)
            self.out.line(f"{name}[{key}] = {self._counted(f'{current} {sign} 1', kind)}")
        else:
            self.e.value(node)

    @staticmethod
    def _counted(code: str, kind: Int) -> str:
        """A count up or down: no trace has the 2^63 events that it takes to overflow a signed one."""
        return code if kind.signed else wrapped(f"({code})", -1, 2**64, kind)

    def _named(self, code: str) -> str:
        """A name for what is used twice, where it costs more than a name."""
        if code.isdigit():
            return f"({code})"
        if code.isidentifier() or code == "None":
            return code
        name = self.out.temporary()
        self.out.line(f"{name} = {code}")
        return name

    def _assign(self, node: tree.Assign) -> None:
        target = node.target
        if isinstance(target, tree.Name):
            self._evaluate(node.value)
        elif isinstance(target, tree.Variable):
            if node.operator:
                code = self._operated(node, target.slot, arithmetic.bounds(number_kind(target.kind)), target.kind)
            else:
                code = self.e.stored(node.value, target.kind)
            self.out.line(f"{target.slot} = {code}")
        elif isinstance(target, tree.Map):
            self._assign_map(node, target)

    def _operated(self, node: tree.Assign, current: str, bounds: tuple[int, int], kind: Any) -> str:
        if isinstance(kind, Pointer):
            sign = "-" if node.operator == "-" else ""
            return f"P.moved({current}, {sign}({self.e.value(node.value)}) * {self.making.pointee(kind)})"
        given = self.e.number(node.value, Int(64, number_kind(node.value.kind).signed))
        target = Int(number_kind(kind).bits, number_kind(kind).signed)
        given_bounds = self.making.bounds(node.value)
        return self.e.operators.compute(node.operator, current, bounds, given, given_bounds, target, node.span)

    def _assign_map(self, node: tree.Assign, target: tree.Map) -> None:
        name = self.making.map_names[target.name]
        kind = self.checked.maps[target.name].value
        if isinstance(kind, Aggregate) and isinstance(node.value, tree.Call) and node.value.name in AGGREGATES:
            self._aggregate(node.value, name, self.e.key(target), kind)
            return
        if node.operator:
            key = self._named(self.e.key(target))
            current = f"{name}.get({key}, {default(kind)})"
            number = Int(64, number_kind(kind).signed)
            self.out.line(f"{name}[{key}] = {self._operated(node, current, arithmetic.bounds(number), kind)}")
            return
        value = self.e.stored(node.value, kind)
        self.out.line(f"{name}[{self.e.key(target)}] = {value}")

    def _aggregate(self, call: tree.Call, name: str, key: str, kind: Aggregate) -> None:
        if kind.form == "count":
            self.out.line(f"{name}[{key}] += 1")
            return
        value = self.e.number(call.arguments[0], Int(64, number_kind(call.arguments[0].kind).signed))
        if kind.form == "sum":
            self.out.line(f"{name}[{key}] += {value}")
            return
        key, value = self._named(key), self._named(value)
        if kind.form in ("min", "max"):
            self._extreme(name, key, value, kind)
            return
        if kind.form in ("avg", "stats"):
            self.out.line("try:")
            self.out.line(f"    x = {name}[{key}]; x[0] += 1; x[1] += {value}")
            self.out.line(f"except KeyError: {name}[{key}] = [1, {value}]")
            return
        if kind.form == "hist" and not kind.bounds[0]:
            low, high = self.making.bounds(call.arguments[0])
            bucket = f"{value}.bit_length()"
            if low < 0:
                bucket = f"({bucket} if {value} >= 0 else -1)"
            elif high >= 2**63:
                bucket = f"({bucket} if {value} < {2**63} else -1)"
        elif kind.form == "tseries":
            self.out.line(f"S.add_to_series({name}[{key}], {value}, {self.out.constant(kind)}, t)")
            return
        elif kind.form == "hist":
            bucket = f"F.fine_bucket({value}, {kind.bounds[0]})"
        else:
            bucket = f"F.linear_bucket({value}, {', '.join(map(str, kind.bounds))})"
        self.out.line(f"{name}[{key}][{bucket}] += 1")

    def _extreme(self, name: str, key: str, value: str, kind: Aggregate) -> None:
        operator = "<" if kind.form == "min" else ">"
        test = f"(x := {name}.get({key})) is None or {value} {operator} x"
        if self.checked.context.dialect.old:
            signed = f"({value} if {value} < {2**63} else {value} - {2**64})" if not kind.signed else value
            stored = f"{signed} <= {_LEAST_OF_OLD}" if kind.form == "min" else f"{signed} >= 0"
            test = f"{stored} and ({test})"
        self.out.line(f"if {test}: {name}[{key}] = {value}")


def _returns(block: tree.Block) -> bool:
    return any(isinstance(node, tree.Return) for node in walk(block))


def _variables(body: tree.Block) -> dict[str, Any]:
    """The variables of an action by slot, with their types, but for those of loops."""
    loops = {n.variable.slot for n in walk(body) if isinstance(n, (tree.ForMap, tree.ForRange))}
    found: dict[str, Any] = {}
    for node in walk(body):
        if isinstance(node, (tree.Assign, tree.Let)) and isinstance(node.target, tree.Variable):
            found[node.target.slot] = node.target.kind
    return {slot: kind for slot, kind in found.items() if slot not in loops}
