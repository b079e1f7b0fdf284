"""Scripts that only count: their maps as aggregations in SQL, at DuckDB's speed.

An action qualifies when all that it does is to assign aggregations to maps, of what its event alone says. Variables
that are assigned once stand for their values, and ``if`` adds conditions. Everything else runs event by event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.bpftrace import tree
from bpfrec.analyze.bpftrace.arithmetic import as_int, wrap
from bpfrec.analyze.bpftrace.check import Checked, CheckedProbe
from bpfrec.analyze.bpftrace.events import events_body
from bpfrec.analyze.bpftrace.functions import AGGREGATES
from bpfrec.analyze.bpftrace.generate import EventClass
from bpfrec.analyze.bpftrace.kinds import Aggregate, Int
from bpfrec.analyze.bpftrace.probes import Site, Source
from bpfrec.analyze.bpftrace.runtime import Runtime
from bpfrec.analyze.bpftrace.sql_expressions import Component, NotSql, SqlExpressions
from bpfrec.analyze.bpftrace.walk import walk

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace

_LEAST_OF_OLD = 0xFFFFFFFF


@dataclass
class Aggregation:
    """One assignment as a query: its columns are those of the key, for a histogram the bucket, then the values."""

    map_name: str
    form: str
    sql: str
    key: list[Component]
    has_bucket: bool


@dataclass
class SqlProgram:
    """The aggregations of a script."""

    aggregations: list[Aggregation] = field(default_factory=list)


def compile_sql(checked: Checked) -> SqlProgram:
    """The queries for a script.

    Raises:
        NotSql: it does what SQL does not.
    """
    program = SqlProgram()
    written: dict[str, str] = {}
    for probe in checked.probes:
        sites = [site for site in probe.sites if site.source.has_event]
        if not sites:
            _check_timed(probe, checked)
            continue
        if len(sites) != len(probe.sites):
            raise NotSql(probe.body, "the probe is an event and a time in one")
        if len({(site.source, site.call) for site in sites}) != len(sites):
            raise NotSql(probe.body, "a probe is named twice")
        _Action(checked, sites, program, written).compile(probe)
    if not program.aggregations:
        raise NotSql(checked.probes[0].body, "no map is assigned an aggregation")
    return program


def _check_timed(probe: CheckedProbe, checked: Checked) -> None:
    """Refuses timers that run before the end: they see maps as they are then."""
    held = checked.context.held
    for site in probe.sites:
        if site.source is Source.INTERVAL and held.start_ns + site.period_ns <= held.stop_ns:
            raise NotSql(probe.body, "an interval looks at maps in the midst of the events")
        if site.source is Source.BEGIN and any(
            isinstance(node, tree.Call) and node.name == "exit" for node in walk(probe.body)
        ):
            raise NotSql(probe.body, "the script may end before the first event")


class _Action:
    """One action as aggregations."""

    def __init__(self, checked: Checked, sites: list[Site], program: SqlProgram, written: dict[str, str]) -> None:
        self.checked = checked
        self.dialect = checked.context.dialect
        self.e = SqlExpressions(checked)
        self.e.making.sites = sites
        self.program = program
        self.written = written
        self.sites = sites
        self.conditions: list[str] = []
        self.pending: list[tuple[str, str, list[Component], list[str], str, list[str]]] = []

    def compile(self, probe: CheckedProbe) -> None:
        if probe.predicate is not None:
            self.conditions.append(self.e.condition(probe.predicate))
        self._block(probe.body)
        base = self._base()
        for map_name, form, key, values, bucket, conditions in self.pending:
            columns = [column for part in key for column in part.columns] + ([bucket] if bucket else [])
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            groups = f" GROUP BY {', '.join(map(str, range(1, len(columns) + 1)))}" if columns else ""
            having = "" if columns else " HAVING count(*) > 0"
            sql = f"SELECT {', '.join([*columns, *values])} FROM ({base}){where}{groups}{having}"  # noqa: S608 - ours
            self.program.aggregations.append(Aggregation(map_name, form, sql, key, bool(bucket)))

    def _base(self) -> str:
        by_source: dict[Source, list[str | None]] = {}
        for site in self.sites:
            by_source.setdefault(site.source, []).append(site.call)
        classes = [EventClass(0, source, tuple(calls), (0,)) for source, calls in by_source.items()]
        return events_body(classes, list(self.e.out.columns))

    def _block(self, block: tree.Block) -> None:
        for statement in block.statements:
            self._statement(statement)

    def _statement(self, node: tree.Statement) -> None:
        match node:
            case tree.Assign(target=tree.Map() as target):
                self._assign_map(node, target)
            case tree.Assign(target=tree.Variable() as target) | tree.Let(target=tree.Variable() as target):
                if isinstance(node, tree.Assign) and node.operator:
                    raise NotSql(node, "a variable is changed")
                if target.slot in self.e.variables or node.value is None or self.conditions_inside:
                    raise NotSql(node, "a variable is assigned more than once")
                self.e.variables[target.slot] = node.value
            case tree.Evaluate(value=tree.Step(target=tree.Map() as target) as step):
                if isinstance(self.checked.maps[target.name].value, Aggregate):
                    raise NotSql(node, "an aggregation is counted up")
                self._add(target, "add", ["CAST(count(*) AS HUGEINT)" if step.operator == "++" else "-count(*)"])
            case tree.If():
                self._if(node)
            case tree.Block():
                self._block(node)
            case _:
                raise NotSql(node, "this has to be done event by event")

    @property
    def conditions_inside(self) -> bool:
        """Whether it is within an if."""
        return self._depth > 0

    _depth = 0

    def _if(self, node: tree.If) -> None:
        condition = self.e.condition(node.condition)
        self._depth += 1
        for block, text in ((node.yes, condition), (node.no, f"NOT {condition}")):
            if block is not None:
                self.conditions.append(text)
                self._block(block)
                self.conditions.pop()
        self._depth -= 1

    def _assign_map(self, node: tree.Assign, target: tree.Map) -> None:
        kind = self.checked.maps[target.name].value
        call = node.value
        if isinstance(kind, Aggregate) and isinstance(call, tree.Call) and call.name in AGGREGATES:
            self._aggregate(call, target, kind)
            return
        if node.operator not in ("+", "-") or not isinstance(kind, Int):
            raise NotSql(node, "a map is assigned, and the last event counts")
        value = self.e.number(node.value)
        sign = "" if node.operator == "+" else "-"
        self._add(target, "add", [f"{sign}sum({value.wide()})"])

    def _aggregate(self, call: tree.Call, target: tree.Map, kind: Aggregate) -> None:
        if kind.form == "count":
            self._add(target, "count", ["count(*)"])
            return
        if kind.form == "tseries":
            raise NotSql(call, "a time series is kept event by event")
        value = self.e.number(call.arguments[0])
        form = kind.form
        if form == "sum":
            self._add(target, form, [f"sum({value.wide()})"])
        elif form in ("avg", "stats"):
            self._add(target, form, ["count(*)", f"sum({value.wide()})"])
        elif form in ("min", "max"):
            conditions = []
            if self.dialect.old:
                signed = value.sql
                if value.high > 2**63 - 1:
                    signed = f"CASE WHEN {value.sql} < {2**63} THEN {value.sql} ELSE {value.sql} - {2**64} END"
                test = f"<= {_LEAST_OF_OLD}" if form == "min" else ">= 0"
                conditions.append(f"({signed} {test})")
            self._add(target, form, [f"{form}({value.sql})"], conditions=conditions)
        elif form == "hist":
            self._add(target, form, ["count(*)"], bucket=_hist_bucket(value.sql, value.high, kind.bounds[0], call))
        else:
            self._add(target, form, ["count(*)"], bucket=_lhist_bucket(value.wide(), kind.bounds))

    def _add(
        self, target: tree.Map, form: str, values: list[str], bucket: str = "", conditions: list[str] | None = None
    ) -> None:
        info = self.checked.maps[target.name]
        if info.declared is not None:
            raise NotSql(target, f"{target.name} may be full before the last event")
        if info.read and self._is_read_at_events(target.name):
            raise NotSql(target, f"{target.name} is read while it is counted")
        if self.written.setdefault(target.name, form) != form:
            raise NotSql(target, f"{target.name} is changed in two ways")
        kinds = info.keys or ()
        key = [self.e.component(part, kind) for part, kind in zip(target.keys, kinds, strict=True)]
        self.pending.append((target.name, form, key, values, bucket, [*self.conditions, *(conditions or [])]))

    def _is_read_at_events(self, name: str) -> bool:
        for probe in self.checked.probes:
            if not any(site.source.has_event for site in probe.sites):
                continue
            written = {
                id(node.target)
                for node in walk(probe.body)
                if isinstance(node, (tree.Assign, tree.Step)) and isinstance(node.target, tree.Map)
            }
            nodes = walk([probe.predicate, probe.body])
            if any(isinstance(node, tree.Map) and node.name == name and id(node) not in written for node in nodes):
                return True
        return False


def _hist_bucket(value: str, high: int, bits: int, node: tree.Node) -> str:
    if bits:
        raise NotSql(node, "a histogram with more buckets than powers of two")
    # The number of binary digits, as bit_length() has it; log2() is not exact near powers of two.
    digits = f"length(ltrim(CAST(bin(CAST({value} AS UBIGINT)) AS VARCHAR), '0'))"
    top = f" OR {value} >= {2**63}" if high >= 2**63 else ""
    return f"CASE WHEN {value} < 0{top} THEN -1 ELSE {digits} END"


def _lhist_bucket(value: str, bounds: tuple[int, ...]) -> str:
    low, high, step = bounds
    last = (high - low) // step + 1
    return (
        f"CASE WHEN {value} < {low} THEN 0 WHEN {value} >= {high} THEN {last}"
        f" ELSE CAST(({value} - {low}) // {step} AS BIGINT) + 1 END"
    )


def run_sql(trace: Trace, program: SqlProgram, runtime: Runtime) -> None:
    """Runs the queries and adds what they give to the maps of ``runtime``."""
    for aggregation in program.aggregations:
        rows = trace.query(aggregation.sql).rows
        for row in rows:
            _merge(runtime, aggregation, row)


def _merge(runtime: Runtime, aggregation: Aggregation, row: tuple[Any, ...]) -> None:
    parts, position = [], 0
    width = sum(len(part.columns) for part in aggregation.key)
    values = row[width:]
    count = (
        int(values[-1] if aggregation.has_bucket else values[0] or 0) if aggregation.form not in ("min", "max") else 1
    )
    for part in aggregation.key:
        parts.append(part.value(runtime, row[position : position + len(part.columns)], count))
        position += len(part.columns)
    key: Any = None if not parts else parts[0] if len(parts) == 1 else tuple(parts)
    data = runtime.maps[aggregation.map_name]
    match aggregation.form:
        case "count" | "sum":
            data[key] += int(values[0])
        case "add":
            kind = runtime.checked.maps[aggregation.map_name].value
            data[key] = wrap(data.get(key, 0) + int(values[0]), Int(64, as_int(kind).signed))
        case "min" | "max":
            best = min if aggregation.form == "min" else max
            data[key] = best(int(values[0]), data[key]) if key in data else int(values[0])
        case "avg" | "stats":
            known = data.setdefault(key, [0, 0])
            known[0] += int(values[0])
            known[1] += int(values[1])
        case _:
            data[key][int(values[0])] += int(values[1])
