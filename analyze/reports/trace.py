"""trace: single calls that meet a condition, with messages and stacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.probes.c_to_sql import as_condition, translate
from bpfrec.analyze.probes.match_notes import match_notes
from bpfrec.analyze.probes.printf import message_sql
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.trace_spec import parse_trace_probe
from bpfrec.analyze.render.bcc_probes import trace_text
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    probes: Sequence[str],
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

    ``msg_filter``: only events whose message contains it. ``string_size``: strings are cut after this many characters.
    ``max_events``: only the first so many. ``clock`` adds the column time: ``offset`` (seconds since the start),
    ``unix`` (since the epoch) or ``local`` (HH:MM:SS on the recording host). ``print_cpu`` adds cpu, ``user_stack``
    adds stack (a list, innermost first; NULL: none was recorded), with ``address`` in its lines. ``aggregate`` counts
    equal events, the most frequent first, in the column count.
    Columns: ts (not with ``aggregate``), time, cpu, pid, tid, comm, func, message, stack, count.

    Raises:
        ReportError: a probe is wrong, or asks for what is not in a trace.
    """
    if aggregate and max_events is None:
        raise ReportError("-A/--aggregate needs -M/--max-events", "Say how many events to count, as in: -A -M 1000")
    shared = calls.conditions(trace.manifest)
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


def _settle(options: Options) -> Options:
    if options["kernel_stack"]:
        raise click.UsageError("-K: kernel stacks are not recorded; -U shows user stacks.")
    if options["aggregate"] and options["max_events"] is None:
        raise click.UsageError("-A needs -M: say how many events to count.")
    if options["address"] and not options["user_stack"]:
        raise click.UsageError("-a shows the addresses of a stack and needs -U.")
    clocks = (("unix", "unix_timestamp"), ("offset", "timestamp"), ("local", "time_of_day"))
    return options | {"clock": next((clock for clock, option in clocks if options[option]), None)}


def _text(answer: Answer) -> Iterator[str]:
    options = answer.options
    messages = any(parse_trace_probe(probe).message for probe in options["probes"])
    return trace_text(answer.result.records(), options["clock"], options["print_cpu"], messages)


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    # bcc's -t and -u are columns of times.
    flags={"tid": ("-L", "--tid"), "uid": ("--uid",)},
    options=(
        click.Argument(["probes"], metavar="PROBE...", nargs=-1, required=True),
        click.Option(
            ["-Z", "--string-size"],
            type=click.IntRange(1),
            default=80,
            show_default=True,
            help="Cut strings after this many characters.",
        ),
        click.Option(["-M", "--max-events"], type=click.IntRange(1), help="Show only the first so many events."),
        click.Option(["-t", "--timestamp"], is_flag=True, help="Show seconds since the start of the recording."),
        click.Option(["-u", "--unix-timestamp"], is_flag=True, help="Show seconds since the epoch."),
        click.Option(["-T", "--time", "time_of_day"], is_flag=True, help="Show the time of day on the recording host."),
        click.Option(["-C", "--print_cpu", "--print-cpu"], is_flag=True, help="Show the CPU."),
        click.Option(["-f", "--msg-filter"], metavar="TEXT", help="Only events whose message contains TEXT."),
        click.Option(["-K", "--kernel-stack"], is_flag=True, help="Refused: kernel stacks are not recorded."),
        click.Option(["-U", "--user-stack"], is_flag=True, help="Show the user stack."),
        click.Option(["-a", "--address"], is_flag=True, help="With -U: show addresses."),
        click.Option(["-A", "--aggregate"], is_flag=True, help="With -M: count equal events."),
    ),
    usage='PROBE: [{p,r,t}:[library]:]function[(signature)] [(predicate)] ["format", expression, ...]',
    help="""Print single calls that meet a condition, as bcc's trace does.

    \b
    trace 'SyS_open (STRCMP("/etc/nodey.conf", arg1))' -U
    trace 'r:c:open (retval < 0) "%s failed: %d", arg1, retval'

    A function stands for the system calls that it makes: open also for openat; arg1 to arg6 are its parameters.
    Standard error says what was matched.""",
)
