"""stackcount: the stacks by which functions were called, and how often."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.probes.sites import locate
from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import IntervalResult, duration_option, interval_option, intervals
from bpfrec.analyze.reports.moments import time_of_day, zone_notes
from bpfrec.analyze.reports.option_types import Count, limit_option, refused_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.reports.snoop import flag
from bpfrec.analyze.reports.stacks import missing_notes
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.syscalls import syscalls

_FORMS = ("{}", "__x64_sys_{}", "SyS_{}", "sys_{}", "sys_enter_{}", "syscalls:sys_enter_{}")
"""What a system call is called by those who probe the kernel for it."""


@dataclass
class Stacks(IntervalResult):
    """The rows of each interval, and how many calls the pattern stands for."""

    matched: int = 0


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    pattern: str = "*",
    regexp: bool = False,
    cpu: int | None = None,
    interval_s: float | None = None,
    duration_s: float | None = None,
    offset: bool = False,
    address: bool = False,
    top: int = 0,
) -> IntervalResult:
    """Calls of the functions that ``pattern`` names, by process and user stack, the most frequent last.

    ``pattern``: a function as in argdist (``c:open``, ``t:syscalls:sys_enter_openat``), or names of system calls with
    ``*``; with ``regexp`` a regular expression. ``cpu``: only calls that ended there. ``interval_s``: for each interval
    of this many seconds. ``duration_s``: only the first so many. ``offset``: frames have the offset in their function,
    ``address`` their address. ``top``: at most this many rows for each interval, the most frequent; 0 for all.
    Columns: interval, pid, comm, count, frames.

    Raises:
        ReportError: the pattern names no system call.
    """
    names, matching = _matching(pattern, regexp)
    times = intervals(trace.manifest, interval_s, duration_s)
    chosen = [*calls.conditions(trace.manifest), *times.conditions("ts_ns")]
    if cpu is not None:
        chosen.append(Fragment(f"cpu = {literal(cpu)}"))
    sql = render(
        "stackcount",
        where=where(chosen),
        matching=matching,
        interval=times.number("ts_ns"),
        offset=offset,
        address=address,
        top=top,
    )
    result = trace.query(sql, missing_notes(trace, [*chosen, Fragment(f"({matching})")]))
    return Stacks.of(result, times, matched=len(names))


def _matching(pattern: str, regexp: bool) -> tuple[list[str], Fragment]:
    """The system calls that a pattern names, and the SQL condition for them."""
    kind, _, rest = pattern.rpartition(":") if pattern.count(":") == 1 else ("", "", pattern)
    if not regexp and not any(char in pattern for char in "*?["):
        parts = pattern.split(":")
        head = parts[0] if len(parts) == 3 else "p"
        library = ":".join(parts[1:-1]) if len(parts) == 3 else kind
        scope = SiteScope(locate(head, library, parts[-1], None))
        return scope.members, where([Fragment(condition) for condition in scope.conditions()])
    body = rest.removeprefix("t:").removeprefix("p:").lstrip(":")
    if regexp:
        try:
            expression = re.compile(body)
        except re.error as error:
            raise ReportError(f"{body!r} is no regular expression: {error}") from None
        names = [name for name in syscalls() if any(expression.match(form.format(name)) for form in _FORMS)]
    else:
        names = [name for name in syscalls() if any(fnmatchcase(form.format(name), body) for form in _FORMS)]
    if not names:
        raise ReportError(
            f"no system call matches {pattern!r}", "A trace holds system calls: t:syscalls:sys_enter_open*."
        )
    return names, Fragment(f"syscall IN {literal(names)}")


def _settle(options: Options) -> Options:
    patterns = options["pattern"]
    if len(patterns) > 1:
        raise click.UsageError("Give one pattern.")
    return options | {"pattern": patterns[0] if patterns else "*"}


def _text(answer: Answer) -> Iterator[str]:
    options, result = answer.options, answer.result
    assert isinstance(result, Stacks)  # noqa: S101
    if not options["folded"]:
        yield f'Tracing {result.matched} functions for "{printable(options["pattern"])}"... Hit Ctrl-C to end.'
    for end, rows in result.by_interval():
        if not options["folded"]:
            yield ""
        if options["timestamp"]:
            yield f"{time_of_day(end, answer.trace.manifest):<8}"
        for row in rows:
            frames = [printable(frame) for frame in row["frames"]]
            if options["folded"]:
                line = [shown(row["comm"]), *reversed(frames), *(["-"] if options["delimited"] else [])]
                yield f"{';'.join(line)} {row['count']}"
                continue
            if options["delimited"]:
                yield "    --"
            yield from (f"  {frame}" for frame in frames)
            if not options["pid"]:
                yield f"    {shown(row['comm'])} [{shown(row['pid'])}]"
            yield f"    {row['count']}"
            yield ""


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    options=(
        click.Argument(["pattern"], metavar="[PATTERN]", nargs=-1),
        click.Option(["-c", "--cpu"], type=Count(), metavar="CPU", help="Only calls that ended on this CPU."),
        interval_option(),
        duration_option("-D"),
        flag(["-T", "--timestamp"], "Show the time of day (UTC)."),
        flag(["-r", "--regexp"], "PATTERN is a regular expression, not one with *."),
        flag(["-s", "--offset"], "Show offsets in functions."),
        flag(["-P", "--perpid"], "Tell processes apart; user stacks always are."),
        flag(["-U", "--user-stacks-only"], "Show user stacks, which is the default."),
        flag(["-v", "--verbose", "address"], "Show addresses."),
        flag(["-d", "--delimited"], "Print the line that bcc's tool has between kernel and user stack."),
        flag(["-f", "--folded"], "Print folded stacks, for flame graphs."),
        refused_option(
            ["-K", "--kernel-stacks-only"],
            "kernel stacks are recorded for waits only (record --kernel-stacks); report offcpu --by stack shows them.",
            is_flag=True,
        ),
        refused_option(["--debug"], "no BPF program is made; --sql prints the query.", is_flag=True),
        limit_option(),
    ),
    help="""Count the stacks by which functions were called, as bcc's stackcount does.

    \b
    stackcount c:open
    stackcount -P 't:syscalls:sys_enter_open*'
    stackcount -r -f '^sys_enter_(read|write)$'

    A function stands for system calls, as in argdist; without PATTERN, every call counts. The report stacks measures
    time and failures, too.""",
)
