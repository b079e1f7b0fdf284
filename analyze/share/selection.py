"""Which rows of a trace go into the copy: the calls that were chosen, and what belongs to them in other tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.sqltemplate import Fragment, identifier, literal, render_text
from bpfrec.analyze.facade import Trace
from bpfrec.analyze.reports.moments import moment_ns
from bpfrec.analyze.share.columns import IS_ENVIRONMENT, IS_HIDDEN
from bpfrec.formats import schema
from bpfrec.formats.columns import Table
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.formats.manifest import Manifest
from bpfrec.formats.units import whole_number

KINDS = ("process", "time", "syscall")
_FORMS = "Say process=PID, process=NAME, time=FROM..TO or syscall=NAME,NAME."
_ORDER = ("event_id", "stack_id", "arg", "phase", "depth", "position")


@dataclass(frozen=True)
class Selection:
    """What stays: calls of all kinds that are given. ``since`` and ``until`` in ns on CLOCK_MONOTONIC, until excluded.

    ``processes``: ids, or names as in ``threads``. ``dropped``: tables that stay empty.
    """

    processes: tuple[str, ...] = ()
    syscalls: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    dropped: frozenset[str] = frozenset()

    @property
    def chooses_calls(self) -> bool:
        """Whether some calls may be left out."""
        return bool(self.processes or self.syscalls) or self.since is not None or self.until is not None

    def calls(self, *, at_all_times: bool = False) -> Fragment:
        """The SQL condition on rows of ``syscalls``."""
        found = [self._of_processes()] if self.processes else []
        if self.syscalls:
            found.append(Fragment(f"syscall IN {literal(list(self.syscalls))}"))
        return where(found if at_all_times else [*found, *self._times()])

    def beside_calls(self, table: Table) -> Fragment:
        """The SQL condition on rows of ``table``, one of :data:`_BESIDE_CALLS`, which are of no system call."""
        if self.syscalls or table.name in self.dropped:
            return Fragment("FALSE")
        return where([*([self._of_processes()] if self.processes else []), *self._times()])

    def _times(self) -> list[Fragment]:
        since = [] if self.since is None else [Fragment(f"ts_ns >= {literal(self.since)}")]
        return since + ([] if self.until is None else [Fragment(f"ts_ns < {literal(self.until)}")])

    def _of_processes(self) -> Fragment:
        numbers = [number for process in self.processes if (number := whole_number(process)) is not None]
        names = literal([process for process in self.processes if whole_number(process) is None])
        named = f"SELECT pid FROM processes WHERE comm IN {names} UNION SELECT pid FROM threads WHERE comm IN {names}"  # noqa: S608 - literals
        return Fragment(f"(pid IN {literal(numbers)} OR pid IN ({named}))")

    def as_text(self, manifest: Manifest) -> list[str]:
        """The same in words, for the manifest."""
        found = [f"process={process}" for process in self.processes]
        if self.since is not None or self.until is not None:
            ends = [
                "" if end is None else f"{(end - manifest.start_ns) / 1e9:.9f}".rstrip("0").rstrip(".")
                for end in (self.since, self.until)
            ]
            found.append(f"time={ends[0]}..{ends[1]}")
        return found + ([f"syscall={','.join(self.syscalls)}"] if self.syscalls else [])


def parse_selection(only: Iterable[str], trace: Trace) -> Selection:
    """The selection that ``--only`` says: ``process=PID``, ``process=NAME``, ``time=FROM..TO``, ``syscall=NAME,...``.

    Raises:
        BpfrecError: it says something else.
    """
    chosen = Selection()
    for text in only:
        kind, equals, value = text.partition("=")
        if kind not in KINDS or not equals or not value:
            raise BpfrecError(f"--only {text!r} is none of {', '.join(KINDS)}", _FORMS)
        if kind == "process":
            chosen = replace(chosen, processes=(*chosen.processes, *filter(None, value.split(","))))
        elif kind == "syscall":
            names = tuple(filter(None, value.split(",")))
            unknown = [name for name in names if name not in syscalls() and not name.startswith("unknown_")]
            if unknown:
                raise BpfrecError(f"--only: no system call is called {unknown[0]!r}", _FORMS)
            chosen = replace(chosen, syscalls=(*chosen.syscalls, *names))
        else:
            first, dots, last = value.partition("..")
            if not dots:
                raise BpfrecError(f"--only {text!r}: a time is FROM..TO, and either end may be left out", _FORMS)
            since = moment_ns(first, trace) if first else None
            until = moment_ns(last, trace) if last else None
            chosen = replace(chosen, since=since, until=until)
    return chosen


def prepare(trace: Trace, selection: Selection) -> None:
    """Makes the temporary tables that :func:`query_of` reads, if ``selection`` leaves something out.

    Raises:
        BpfrecError: a table is damaged.
    """
    if not _is_partial(selection):
        return
    template = files(__package__).joinpath("selection.sql").read_text("utf-8")
    having = [
        (Fragment(table.name), Fragment(columns), selection.beside_calls(table))
        for table, columns in ((schema.SAMPLES, "[stack_id, kernel_stack_id]"), (schema.SCHED, "[kernel_stack_id]"))
    ]
    beside = [(Fragment(table.name), selection.beside_calls(table)) for table in _BESIDE_CALLS]
    trace.execute(render_text(template, calls=selection.calls(), beside=beside, having_stacks=having, lives=_LIVES))


_BESIDE_CALLS = (schema.SAMPLES, schema.SCHED, schema.URING, schema.SIGNALS)
"""Tables with what happened to threads besides calls, and when."""

_LIVES = ((Fragment("processes"), Fragment("pid")), (Fragment("threads"), Fragment("tid")))
"""Tables with a row for each life of an id, and that id."""


def _is_partial(selection: Selection) -> bool:
    return selection.chooses_calls or bool(selection.dropped)


def query_of(table: Table, selection: Selection) -> str:
    """The SQL that gives the rows of ``table`` that stay, and beside them the columns that redaction looks at."""
    stacks_dropped = schema.STACKS.name in selection.dropped
    columns = [
        f"NULL AS {c.name}"
        if stacks_dropped and c.name in ("stack_id", "stack_status", "kernel_stack_id") and table is not schema.STACKS
        else f"t.{identifier(c.name)}"
        for c in table.columns
    ]
    source = f"{table.name} AS t"
    if table is schema.EXEC_ARGS:
        columns.append(f"coalesce(t.arg = if(c.syscall = 'execve', 2, 3), FALSE) AS {IS_ENVIRONMENT}")
        source += _LEFT_CALLS
    elif table is schema.STRUCTS:
        columns.append(f"t.kind = 'sockopt' AND ({_option_text()}) IS NULL AS {IS_HIDDEN}")
        source += _LEFT_CALLS.replace(" AS c ", " AS s ").replace("c.", "s.")
    found = f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 - names of the format
    if table.name in selection.dropped:
        return f"{found} WHERE FALSE"
    condition = _conditions(selection).get(table.name) if _is_partial(selection) else None
    joined = source != f"{table.name} AS t"
    order = [f"t.{name}" for name in _ORDER if any(c.name == name for c in table.columns)]
    # A scan gives the rows in their order, a join may not.
    sort = f" ORDER BY {', '.join(order)}" if order and (joined or condition) and table not in _SCANNED else ""
    return found + (f" WHERE {condition}" if condition else "") + sort


_LEFT_CALLS = " LEFT JOIN syscalls AS c ON c.event_id = t.event_id"
_SCANNED = (schema.SYSCALLS, *_BESIDE_CALLS)


def _conditions(selection: Selection) -> dict[str, str]:
    """What rows of each table stay, as SQL; tables that are not there stay whole."""
    of_calls = "t.event_id IN (SELECT event_id FROM share_events)"
    of_stacks = "t.stack_id IN (SELECT stack_id FROM share_stacks)"
    of_binaries = "t.binary_id IN (SELECT binary_id FROM share_binaries)"
    conditions = {
        table.name: of_calls
        for table in schema.TABLES
        if table is not schema.SYSCALLS and any(c.name == "event_id" for c in table.columns)
    }
    return conditions | {
        schema.SYSCALLS.name: selection.calls(),
        **{table.name: selection.beside_calls(table) for table in _BESIDE_CALLS},
        schema.STACKS.name: of_stacks,
        schema.FRAMES.name: of_stacks,
        schema.PROCESSES.name: _LIFE.format(table="processes", key="pid", time="start_ns"),
        schema.THREADS.name: _LIFE.format(table="threads", key="tid", time="start_ns"),
        schema.DESCRIPTORS.name: _LIFE.format(table="processes", key="pid", time="ts_ns"),
        schema.URING_CLOSES.name: _LIFE.format(table="processes", key="pid", time="ts_ns"),
        schema.THREAD_TABLES.name: _LIFE.format(table="processes", key="pid", time="snapshot_ns"),
        # Nobody knows whose call a line was about.
        schema.LOG_LINES.name: "FALSE",
        schema.MAPPINGS.name: _LIFE.format(table="processes", key="pid", time="start_ns"),
        schema.JIT_SYMBOLS.name: _JIT,
        schema.BINARIES.name: of_binaries,
        schema.BINARY_PARTS.name: of_binaries,
    }


_LIFE = (
    "EXISTS (FROM share_{table} AS l WHERE l.{key} = t.{key}"
    " AND coalesce(t.{time}, l.since) >= l.since AND coalesce(t.{time}, l.since) < l.until)"
)


_JIT = "EXISTS (FROM share_jit AS f WHERE f.pid = t.pid AND f.ip BETWEEN t.address AND t.address + t.size)"


def _option_text() -> str:
    from bpfrec.analyze.decode.captures.socket_options import option  # noqa: PLC0415

    return option(lambda word: Fragment(f"t.{word}"))
