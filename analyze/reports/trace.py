"""trace: single calls that meet a condition, with messages and stacks."""

from __future__ import annotations

from collections.abc import Sequence

from bpfrec.analyze.engine.filters import comm_contains, conditions, where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.probes.c_to_sql import as_condition, translate
from bpfrec.analyze.probes.match_notes import match_notes
from bpfrec.analyze.probes.printf import message_sql
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.trace_spec import parse_trace_probe
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError


def compute(
    trace: Queries,
    *,
    probes: Sequence[str],
    pid: int | None = None,
    tid: int | None = None,
    uid: int | None = None,
    name: str | None = None,
    msg_filter: str | None = None,
    string_size: int = 80,
    max_events: int | None = None,
    clock: str | None = None,
    print_cpu: bool = False,
    user_stack: bool = False,
    address: bool = False,
    aggregate: bool = False,
) -> Result:
    """The events of ``probes`` in the order of time: a function's entry, or its return.

    ``name``: only threads whose name contains it; ``msg_filter``: only messages that contain it; ``max_events``: only
    so many, the first. Strings are cut after ``string_size`` characters. ``clock`` adds the column time: ``offset``
    (seconds since the start), ``unix`` (since the epoch) or ``local`` (HH:MM:SS on the recording host); ``print_cpu``
    adds cpu, ``user_stack`` stack (a list, innermost first; NULL: none was recorded), with ``address`` in its lines.
    ``aggregate`` counts equal events, the most frequent first, in the column count.
    Columns: ts (not with ``aggregate``), time, cpu, pid, tid, comm, func, message, stack, count.

    Raises:
        ReportError: a probe is wrong, or asks for what is not in a trace.
    """
    if aggregate and max_events is None:
        raise ReportError("-A/--aggregate needs -M/--max-events", "Say how many events to count, as in: -A -M 1000")
    shared = conditions(pid=pid, tid=tid, uid=uid) + comm_contains(name)
    notes: list[str] = []
    sites = []
    for n, text in enumerate(probes, 1):
        probe = parse_trace_probe(text)
        scope = SiteScope(probe.site)
        message = Fragment(message_sql(probe.message, scope, string_size))
        chosen = [*shared]
        if probe.condition is not None:
            chosen.append(Fragment(as_condition(translate(probe.condition, scope))))
        chosen = [*map(Fragment, scope.conditions()), *chosen]
        joins = [Fragment(join) for join in scope.joins]
        at_ns = Fragment("ts_ns + duration_ns" if probe.site.at_exit else "ts_ns")
        sites.append(
            {"n": n, "func": probe.shown, "message": message, "joins": joins, "where": where(chosen), "at_ns": at_ns}
        )
        notes += match_notes(trace, scope, shared)
    sql = render(
        "trace",
        probes=sites,
        wall_offset_ns=wall_offset_ns(trace.manifest),
        time=_time(trace, clock),
        print_cpu=print_cpu,
        user_stack=user_stack,
        address=address,
        msg_filter=msg_filter,
        max_events=max_events,
        aggregate=aggregate,
    )
    result = trace.query(sql, list(dict.fromkeys(notes)), lazy=True)
    if user_stack:
        _note_stacks(trace, result)
    return result


def _time(trace: Queries, clock: str | None) -> Fragment | None:
    manifest = trace.manifest
    offset = wall_offset_ns(manifest)
    match clock:
        case None:
            return None
        case "offset":
            return Fragment(f"left(printf('%.6f', (at_ns - {literal(manifest.start_ns)}) / 1e9), 8)")
        case "unix":
            return Fragment(f"left(printf('%.6f', (at_ns + {literal(offset)}) / 1e9), 17)")
        case "local":
            local_us = f"(at_ns + {literal(offset)}) // 1000 + {manifest.clock.utc_offset_s * 1_000_000}"
            return Fragment(f"strftime(make_timestamp({local_us}), '%H:%M:%S')")
    raise ReportError(f"no clock is called {clock}", "There are: offset, unix, local")


def _note_stacks(trace: Queries, result: Result) -> None:
    column = result.columns.index("stack")
    without = sum(row[column] is None for row in result.rows)
    if without:
        mode = trace.manifest.configuration.get("stacks")
        how = f" (it was recorded with --stacks {mode})" if mode == "off" else ""
        result.notes.append(f"no stack was recorded with {without} of {len(result.rows)} events{how}")
