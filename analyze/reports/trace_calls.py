"""trace: single calls that meet a condition, with messages and stacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.probes.c_to_sql import as_condition, translate
from bpfrec.analyze.probes.match_notes import holds_data, match_notes
from bpfrec.analyze.probes.printf import message_sql
from bpfrec.analyze.probes.refusals import built_or_refused
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.trace_spec import parse_trace_probe
from bpfrec.analyze.render.bcc_probes import trace_text
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.moments import zone_notes
from bpfrec.analyze.reports.option_types import Count, refused_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError


@dataclass
class Events(Result):
    """The rows, with what their text needs: whether any probe has a message."""

    has_messages: bool = False


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
    kernel_stack: bool = False,
    address: bool = False,
    aggregate: bool = False,
    bin_cmp: bool = False,
) -> Events:
    """The events of ``probes`` in the order of time: a function's entry, or its return.

    ``msg_filter``: only events whose message contains it. ``string_size``: strings are cut after this many characters.
    ``max_events``: only the first so many. ``clock`` adds the column time: ``offset`` (seconds since the start),
    ``unix`` (since the epoch) or ``utc`` (HH:MM:SS). ``print_cpu`` adds cpu, ``user_stack``
    adds stack (a list, innermost first; NULL: none was recorded), ``kernel_stack`` adds kernel_stack, where the call
    waited longest, both with ``address`` in their lines. ``aggregate`` counts
    equal events, the most frequent first, in the column count. A probe that is wrong, or asks for what is not in a
    trace, is left out; a note says why. ``bin_cmp``: the constant of STRCMP is a list of bytes.
    Columns: ts (not with ``aggregate``), time, cpu, pid, tid, comm, func, message, kernel_stack, stack, count.

    Raises:
        ReportError: no probe can be answered.
    """
    if aggregate and max_events is None:
        raise ReportError("-A/--aggregate needs -M/--max-events", "Say how many events to count, as in: -A -M 1000")
    shared = calls.conditions(trace.manifest)

    def build(text: str) -> tuple[dict[str, object], bool, list[str]]:
        probe = parse_trace_probe(text)
        scope = SiteScope(probe.site, has_data=holds_data(trace), by_path=bool(calls.paths), compares_bytes=bin_cmp)
        message = Fragment(message_sql(probe.message, scope, string_size))
        chosen = [*shared]
        if probe.condition is not None:
            chosen.append(Fragment(as_condition(translate(probe.condition, scope))))
        chosen = [*map(Fragment, scope.conditions()), *chosen]
        site: dict[str, object] = {
            "func": probe.shown,
            "message": message,
            "source": Fragment(scope.source),
            "joins": [Fragment(join) for join in scope.joins],
            "where": where(chosen),
            "at_ns": Fragment("ts_ns + duration_ns" if probe.site.at_exit else "ts_ns"),
        }
        return site, probe.message is not None, match_notes(trace, scope, shared)

    built, refused = built_or_refused(probes, build)
    notes = [note for _, _, matched in built for note in matched] + refused
    sql = render(
        "trace_calls",
        probes=[site | {"n": n} for n, (site, _, _) in enumerate(built, 1)],
        wall_offset_ns=wall_offset_ns(trace.manifest),
        time=_time(trace, clock),
        print_cpu=print_cpu,
        user_stack=user_stack,
        kernel_stack=kernel_stack,
        address=address,
        msg_filter=msg_filter,
        max_events=max_events,
        aggregate=aggregate,
    )
    found = trace.query(sql, list(dict.fromkeys(notes)), lazy=True)
    has_messages = any(has_message for _, has_message, _ in built)
    result = Events(found.columns, found.types, found.source, sql, found.notes, len(refused), has_messages=has_messages)
    if user_stack:
        _note_stacks(trace, result)
    if kernel_stack:
        _note_kernel_stacks(result)
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
        case "utc":
            return Fragment(f"strftime(make_timestamp((at_ns + {literal(offset)}) // 1000), '%H:%M:%S')")
    raise ReportError(f"no clock is called {clock}", "There are: offset, unix, utc")


def _note_stacks(trace: Queries, result: Result) -> None:
    column = result.columns.index("stack")
    without = sum(row[column] is None for row in result.rows)
    if without:
        mode = trace.manifest.configuration.get("stacks")
        how = f" (it was recorded with --stacks {mode})" if mode == "off" else ""
        result.notes.append(f"no stack was recorded with {without} of {len(result.rows)} events{how}")


def _note_kernel_stacks(result: Result) -> None:
    column = result.columns.index("kernel_stack")
    without = sum(row[column] is None for row in result.rows)
    if without:
        result.notes.append(
            f"no kernel stack was recorded with {without} of {len(result.rows)} events: record --kernel-stacks has "
            "those of calls that wait"
        )


def _settle(options: Options) -> Options:
    options = options | {"max_events": options["max_events"] or None}
    if options["aggregate"] and options["max_events"] is None:
        raise click.UsageError("-A needs -M: say how many events to count.")
    if options["address"] and not (options["user_stack"] or options["kernel_stack"]):
        raise click.UsageError("-a shows the addresses of a stack and needs -U or -K.")
    clocks = (("unix", "unix_timestamp"), ("offset", "timestamp"), ("utc", "time_of_day"))
    return options | {"clock": next((clock for clock, option in clocks if options[option]), None)}


def _text(answer: Answer) -> Iterator[str]:
    options, result = answer.options, answer.result
    assert isinstance(result, Events)  # noqa: S101
    if options["show_query"]:
        yield from (printable(line) for line in result.sql.splitlines())
    yield from trace_text(result.records(), options["clock"], options["print_cpu"], result.has_messages)


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest) if answer.options["clock"] == "utc" else [],
    settle=_settle,
    # bcc's -t and -u are columns of times.
    flags={"tid": ("-L", "--tid"), "uid": ("--uid",)},
    options=(
        click.Argument(["probes"], metavar="PROBE...", nargs=-1, required=True),
        click.Option(
            ["-Z", "--string-size"],
            type=Count(1),
            default=80,
            show_default=True,
            help="Cut strings after this many characters.",
        ),
        click.Option(
            ["-M", "--max-events", "--limit"],
            type=Count(),
            metavar="N",
            help="Show only the first N events; 0 shows all.",
        ),
        click.Option(["-t", "--timestamp"], is_flag=True, help="Show seconds since the start of the recording."),
        click.Option(["-u", "--unix-timestamp"], is_flag=True, help="Show seconds since the epoch."),
        click.Option(["-T", "--time", "time_of_day"], is_flag=True, help="Show the time of day (UTC)."),
        click.Option(["-C", "--print_cpu", "--print-cpu"], is_flag=True, help="Show the CPU."),
        click.Option(["-f", "--msg-filter"], metavar="TEXT", help="Only events whose message contains TEXT."),
        click.Option(
            ["-K", "--kernel-stack"], is_flag=True, help="Show where the call waited (record --kernel-stacks)."
        ),
        click.Option(["-U", "--user-stack"], is_flag=True, help="Show the user stack."),
        click.Option(["-a", "--address"], is_flag=True, help="With -U or -K: show addresses."),
        click.Option(["-A", "--aggregate"], is_flag=True, help="With -M: count equal events."),
        click.Option(
            ["-B", "--bin_cmp", "--bin-cmp"],
            is_flag=True,
            help="STRCMP compares bytes, all but the last: STRCMP(\"{0x7f, 'E', 'L', 'F', 0}\", arg2).",
        ),
        click.Option(["-S", "--include-self"], is_flag=True, help="Ignored: a trace never has bpfrec's own calls."),
        click.Option(["-I", "--include"], multiple=True, metavar="HEADER", help="Ignored: no header is needed."),
        click.Option(["-v", "--verbose", "show_query"], is_flag=True, help="Print the query before its answer."),
        refused_option(["-c", "--cgroup-path"], "cgroups are not in a trace; record with --cgroup PATH."),
        refused_option(["-s", "--sym_file_list"], "give the folder with symbol files: --symbols DIR."),
        refused_option(["-b", "--buffer-pages"], "buffers are set when recording: record --buffer SIZE."),
    ),
    streams=True,
    needs_all=("user_stack", "kernel_stack", "aggregate"),
    usage='PROBE: [{p,r,t}:[library]:]function[(signature)] [(predicate)] ["format", expression, ...]',
    help="""Print single calls that meet a condition, as bcc's trace does.

    \b
    trace 'SyS_open (STRCMP("/etc/nodey.conf", arg1))' -U
    trace 'r:c:open (retval < 0) "%s failed: %d", arg1, retval'

    A function stands for the system calls that it makes: c:open for open and openat; arg1 to arg6 are its parameters.
    Standard error says what was matched.""",
)
