"""argdist: counts and histograms of arguments and results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.probes.argdist_spec import ArgdistSpec, parse_argdist
from bpfrec.analyze.probes.c_to_sql import as_condition, convert, string_of, translate
from bpfrec.analyze.probes.match_notes import holds_data, match_notes
from bpfrec.analyze.probes.printf import shown_number, shown_string
from bpfrec.analyze.probes.refusals import built_or_refused
from bpfrec.analyze.probes.scope import SiteScope
from bpfrec.analyze.render.bcc_probes import argdist_text
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import duration_option, interval_option, intervals
from bpfrec.analyze.reports.moments import time_of_day, zone_notes
from bpfrec.analyze.reports.option_types import Count
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.formats.errors import ReportError

_Built = tuple[dict[str, object], tuple[bool, str], list[str]]
"""What the template needs of a probe, whether it is a histogram and its title, what it matched."""


@dataclass
class Distribution(Result):
    """The rows, with what their text needs: the title of every probe, and the ends of the intervals.

    ``titles`` are in the order of the column probe; a histogram has its label, a count its heading.
    ``ends_ns`` are times on CLOCK_MONOTONIC, in the order of the column interval.
    """

    titles: list[tuple[bool, str]] = field(default_factory=list)
    ends_ns: list[int] = field(default_factory=list)


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    counts: Sequence[str] = (),
    histograms: Sequence[str] = (),
    string_size: int = 80,
    interval_s: float | None = None,
    duration_s: float | None = None,
    number: int | None = None,
    cumulative: bool = False,
    top: int | None = None,
) -> Distribution:
    """Distributions for the probe specifiers ``counts`` (frequencies) and ``histograms`` (log2), all counts first.

    ``string_size``: strings are cut after this many characters. ``interval_s``: an answer for each interval of this
    many seconds; without it, one for the whole recording. ``cumulative``: each interval begins with the recording.
    ``number``: only the first so many intervals, of one second unless ``interval_s`` says otherwise. ``duration_s``:
    only the first so many seconds. ``top``: only the so many most frequent values.
    A specifier that is wrong, or asks for what is not in a trace, is left out; a note says why.
    Columns: probe (number of the specifier), interval (from 1), spec, event and count of a frequency; key, low, high
    and count of a histogram.

    Raises:
        ReportError: no specifier can be answered.
    """
    given = [*((False, text) for text in counts), *((True, text) for text in histograms)]
    if not given:
        raise ReportError("at least one specifier is required", "Give one with -C (count) or -H (histogram).")
    times = intervals(trace.manifest, interval_s, duration_s, number)
    ends = times.ends_ns
    shared = calls.conditions(trace.manifest)

    def build(one: tuple[bool, str]) -> _Built:
        is_histogram, text = one
        spec = parse_argdist(text, is_histogram)
        scope = SiteScope(spec.site, has_data=holds_data(trace), by_path=bool(calls.paths))
        probe = _histogram(spec, scope) if is_histogram else _count(spec, scope, string_size)
        chosen = [*shared]
        if spec.condition is not None:
            chosen.append(Fragment(as_condition(translate(spec.condition, scope))))
        chosen = [*map(Fragment, scope.conditions()), *chosen]
        time = "ts_ns + duration_ns" if spec.site.at_exit else "ts_ns"
        chosen += times.conditions(time)
        probe |= {"spec": spec.text, "source": Fragment(scope.source), "where": where(chosen)}
        probe |= {"joins": [Fragment(join) for join in scope.joins]}
        probe |= {"interval": times.number(time)}
        title = (is_histogram, _label(spec) if is_histogram else spec.title)
        return probe, title, match_notes(trace, scope, shared)

    built, refused = built_or_refused(given, build)
    probes = [probe | {"n": n} for n, (probe, _, _) in enumerate(built, 1)]
    notes = [note for _, _, matched in built for note in matched] + refused
    sql = render("argdist", probes=probes, intervals=len(ends), cumulative=cumulative and len(ends) > 1, top=top)
    result = trace.query(sql, list(dict.fromkeys(notes)))
    titles = [title for _, title, _ in built]
    return Distribution(
        result.columns, result.types, result.rows, sql, result.notes, len(refused), titles=titles, ends_ns=ends
    )


def _count(spec: ArgdistSpec, scope: SiteScope, string_size: int) -> dict[str, object]:
    if not spec.collected:
        return {"histogram": False, "event": "total calls", "keys": []}
    parts, keys = [], []
    for i, collected in enumerate(spec.collected):
        value = translate(collected.tree, scope)
        shown = shown_string(value, string_size) if collected.ctype.is_string else shown_number(value, collected.ctype)
        parts += [literal(f"{', ' if i else ''}{collected.shown} = "), shown]
        keys.append(Fragment(string_of(value) if collected.ctype.is_string else convert(value, collected.ctype).sql))
    return {"histogram": False, "event": Fragment(f"concat({', '.join(parts)})"), "keys": keys}


def _histogram(spec: ArgdistSpec, scope: SiteScope) -> dict[str, object]:
    collected = spec.collected[0]
    value = convert(translate(collected.tree, scope), collected.ctype)
    # bcc takes the logarithm of an unsigned long: a negative value falls into the last slot.
    unsigned = (
        value.sql if not value.ctype.signed and not value.boolean else f"(CAST({value.sql} AS HUGEINT) & {2**64 - 1})"
    )
    return {"histogram": True, "key": _label(spec), "value": Fragment(f"CAST({unsigned} AS UBIGINT)")}


def _label(spec: ArgdistSpec) -> str:
    return spec.label or spec.collected[0].shown


def _settle(options: Options) -> Options:
    if not options["histograms"] and not options["counts"]:
        raise click.UsageError("At least one specifier is required: -C or -H.")
    if options["cumulative"] and options["interval_s"] is None and options["number"] is None:
        raise click.UsageError("-c needs -i: without it there is one answer for all the time.")
    return options | {"top": options["top"] or options["limit"] or None}


def _text(answer: Answer) -> Iterator[str]:
    result = answer.result
    assert isinstance(result, Distribution)  # noqa: S101
    if answer.options["show_query"]:
        yield from (printable(line) for line in result.sql.splitlines())
    clocks = [time_of_day(end, answer.trace.manifest) for end in result.ends_ns]
    yield from argdist_text(result.dicts(), result.titles, clocks)


REPORT = Report(
    compute,
    text=_text,
    remarks=lambda answer: zone_notes(answer.trace.manifest),
    settle=_settle,
    # bcc's -n is a number of answers.
    flags={"name": ("--name",)},
    options=(
        click.Option(
            ["-z", "--string-size"],
            type=Count(1),
            default=80,
            show_default=True,
            help="Cut strings after this many characters.",
        ),
        interval_option(),
        duration_option(),
        click.Option(
            ["-n", "--number"],
            type=Count(1),
            help="Print only the first N answers, one a second unless -i says otherwise.",
        ),
        click.Option(["-v", "--verbose", "show_query"], is_flag=True, help="Print the query before its answer."),
        click.Option(["-I", "--include"], multiple=True, metavar="HEADER", help="Ignored: no header is needed."),
        click.Option(
            ["-c", "--cumulative"], is_flag=True, help="With -i: count from the start of the recording in each answer."
        ),
        click.Option(
            ["-T", "--top"],
            type=Count(1),
            metavar="N",
            help="Show only the N most frequent values; histograms stay whole.",
        ),
        click.Option(["--limit"], type=Count(), metavar="N", help="The same as -T; 0 shows all."),
        click.Option(
            ["-H", "--histogram", "histograms"], multiple=True, metavar="SPEC", help="A histogram; may be repeated."
        ),
        click.Option(
            ["-C", "--count", "counts"], multiple=True, metavar="SPEC", help="A frequency count; may be repeated."
        ),
    ),
    usage="SPEC: {p,r,t}:{library,category}:function(signature)[:type[,...]:expr[,...][:filter]][#label]",
    help="""Count or histogram values of arguments and results, as bcc's argdist does.

    \b
    argdist -H 'p::do_nanosleep(struct timespec *time):u64:time->tv_nsec'
    argdist -C 'p:c:open(char *filename):char*:filename'
    argdist -C 'r:c:open():int:$retval'

    A function stands for the system calls that it makes: c:open for open and openat. Standard error says which.
    Without -i there is one answer, for the whole recording. The expressions of an exit probe (r:) know $retval,
    $latency (ns) and $entry(parameter); all of them know $PID and $COMM. All counts stand before the histograms.""",
)
