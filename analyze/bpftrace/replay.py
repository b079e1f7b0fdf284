"""Runs a checked script over a trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfrec.analyze.bpftrace.batches import batches
from bpfrec.analyze.bpftrace.callstacks import Stacks
from bpfrec.analyze.bpftrace.check import Checked
from bpfrec.analyze.bpftrace.events import events_sql
from bpfrec.analyze.bpftrace.generate import Program, generate
from bpfrec.analyze.bpftrace.output import Output
from bpfrec.analyze.bpftrace.probes import Source
from bpfrec.analyze.bpftrace.runtime import Exit, Runtime
from bpfrec.analyze.bpftrace.sql_backend import SqlProgram, compile_sql, run_sql
from bpfrec.analyze.bpftrace.sql_expressions import NotSql

if TYPE_CHECKING:
    from bpfrec.analyze.facade import Trace

_NEVER = 1 << 63


class Timers:
    """The intervals of a script, on the trace's clock: the first is due one period after its start."""

    def __init__(self, runtime: Runtime, timers: list[tuple[int, object]], start_ns: int) -> None:
        self._runtime = runtime
        self._timers = timers
        self._due = [start_ns + period for period, _ in timers]

    @property
    def due(self) -> int:
        """When the next one is due."""
        return min(self._due, default=_NEVER)

    def run(self, now_ns: int) -> int:
        """Runs those due by ``now_ns``, in the order of time, then of the script; when the next one is due."""
        while (due := self.due) <= now_ns:
            for number, (period, action) in enumerate(self._timers):
                if self._due[number] == due:
                    self._due[number] += period
                    action(due)  # type: ignore[operator]
        return self.due


@dataclass(frozen=True)
class Manner:
    """How a script runs: writes JSON, says how many probes are attached, prints warnings, and may become SQL."""

    json: bool = False
    announces: bool = True
    warns: bool = True
    sql: bool = True


def replay(trace: Trace | None, checked: Checked, output: Output, manner: Manner = Manner()) -> int:
    """Writes what bpftrace would have written; what the script gave to exit().

    ``trace`` may be None for a script that runs at nothing recorded.
    """
    program = generate(checked)
    aggregations = _aggregations(checked) if manner.sql and trace is not None else None
    stacks = Stacks(trace)
    if any(column.kind in ("stack", "kstack") for column in program.columns) or "S.symbol(" in program.source:
        # Nothing else can be asked while events are read.
        stacks.load()
    runtime = Runtime(checked, stacks, output, manner.json, manner.warns)
    functions = program.functions(runtime, runtime.maps)
    order = _functions_by_source(checked, functions)
    code = 0
    attached = sum(len(probe.sites) for probe in checked.probes)
    if manner.announces:
        _announce(output, attached, checked, manner.json)
    timed = Timers(runtime, order[Source.INTERVAL], checked.context.held.start_ns)
    runtime.timer = timed.run
    try:
        for _, action in order[Source.BEGIN]:
            action(checked.context.held.start_ns)  # type: ignore[operator]
        if aggregations is not None and trace is not None:
            run_sql(trace, aggregations, runtime)
        else:
            _events(trace, program, functions, timed)
        timed.run(checked.context.held.stop_ns)
    except Exit as done:
        code = done.code
    try:
        for _, action in order[Source.END]:
            action(checked.context.held.stop_ns)  # type: ignore[operator]
    except Exit as done:
        code = done.code
    runtime.print_all()
    output.flush()
    for status, count in sorted(runtime.pointers.incomplete.items()):
        output.error(f"bpfrec: {count} strings that the script read are not whole in this trace: {status}\n")
    return code


def _aggregations(checked: Checked) -> SqlProgram | None:
    try:
        return compile_sql(checked)
    except NotSql:
        return None


def _announce(output: Output, attached: int, checked: Checked, json: bool) -> None:
    from bpfrec.analyze.bpftrace.printing import Printer  # noqa: PLC0415

    word = "probe" if attached == 1 else "probes"
    if json:
        output.write(Printer.attached_line(attached, checked.context.dialect))
    elif checked.context.dialect.old:
        output.write(f"Attaching {attached} {word}...\n")
    else:
        output.error(f"Attached {attached} {word}\n")


def _functions_by_source(checked: Checked, functions: dict[str, object]) -> dict[Source, list[tuple[int, object]]]:
    order: dict[Source, list[tuple[int, object]]] = {Source.BEGIN: [], Source.END: [], Source.INTERVAL: []}
    for number, probe in enumerate(checked.probes):
        for position, site in enumerate(s for s in probe.sites if not s.source.has_event):
            order[site.source].append((site.period_ns, functions[f"timed_{number}_{position}"]))
    return order


def _events(trace: Trace | None, program: Program, functions: dict[str, object], timed: Timers) -> None:
    if not program.classes or trace is None:
        return
    due = timed.due
    for columns in batches(trace, events_sql(program.classes, program.columns)):
        due = functions["run"](due, *columns)  # type: ignore[operator]
