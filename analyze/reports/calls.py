"""calls: every call in the order of time, as strace lists them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result, Row
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.call_lines import LINE_IN_SQL, call_lines
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.call_texts import call_words
from bpfrec.analyze.reports.moments import event_of, moment_ns
from bpfrec.analyze.reports.option_types import Count, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.formats.schema import SIGNALS
from bpfrec.formats.trace_reader import table_rows
from bpfrec.formats.units import whole_number

# Calls whose words are made and sorted at once.
_AT_ONCE = 1 << 19


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    around: str | float | None = None,
    context: int = 10,
    stack: bool = False,
    top: int = 0,
) -> Result:
    """The calls by the time of their entry, and signals that threads were given, each as strace would write it.

    Signals are left out where ``calls`` is about what only calls have: names, failures or paths.
    ``around``: only the ``context`` calls before and after one call, an event_id, or before and after a moment, see
    :func:`~bpfrec.analyze.reports.moments.moment_sql`; digits alone are an event_id. ``stack``: with the column stack.
    ``top``: at most this many calls, the first; 0 for all.
    Columns: event_id, ts, pid, tid, comm, syscall, call, ret, errno, duration_ns, stack.

    Raises:
        BpfrecError: ``around`` is neither a call of the trace nor a time.
    """
    wanted = not calls.is_about_calls and table_rows(trace.manifest).get(SIGNALS.name, 0) > 0
    signals = calls.where(trace.manifest) if wanted else None
    parts = calls_in_parts(trace, calls, stack=stack, signals=signals) if around is None and not top else []
    if len(parts) == 1:
        return trace.query(parts[0], lazy=True)
    query = calls_sql(trace, calls, around=around, context=context, stack=stack, top=top, signals=signals)
    result = trace.query(query, lazy=True)
    if parts:
        result.source = _InParts(trace, parts)
    return result


def calls_in_parts(
    trace: Queries, calls: CallFilter, *, stack: bool = False, signals: Fragment | None = None
) -> list[str]:
    """Queries that give the rows of :func:`calls_sql` one behind the other, each of which fits into memory."""
    return [calls_sql(trace, calls, stack=stack, signals=signals, span=span) for span in _spans(trace, calls)]


class _InParts:
    """The rows of several queries one behind the other, each of which is run when the one before it has been read."""

    def __init__(self, trace: Queries, queries: Sequence[str]) -> None:
        self._trace, self.queries = trace, queries

    def __iter__(self) -> Iterator[Row]:
        for query in self.queries:
            yield from self._trace.query(query, lazy=True)


def _spans(trace: Queries, calls: CallFilter) -> list[Fragment | None]:
    """Conditions on ts_ns that divide the chosen calls, in order of time; None alone where they fit into memory."""
    chosen = calls.where(trace.manifest)
    [(count,)] = trace.query(f"SELECT count(*) FROM syscalls WHERE {chosen}").rows  # noqa: S608 - ours
    parts = -(-count // _AT_ONCE)
    if parts <= 1:
        return [None]
    shares = [number / parts for number in range(1, parts)]
    [(found,)] = trace.query(render("call_spans", where=chosen, shares=shares)).rows
    ends = sorted(set(found))
    begins = ["TRUE", *(f"ts_ns >= {end}" for end in ends)]
    return [
        Fragment(f"({begin} AND {end})")
        for begin, end in zip(begins, [*(f"ts_ns < {end}" for end in ends), "TRUE"], strict=True)
    ]


def calls_sql(
    trace: Queries,
    calls: CallFilter,
    *,
    around: str | float | None = None,
    context: int = 10,
    stack: bool = False,
    top: int = 0,
    signals: Fragment | None = None,
    span: Fragment | None = None,
) -> str:
    """The query of :func:`compute`, for those that join more columns to it.

    ``signals``: the condition on rows of ``signals`` that are listed too; None for none. ``span``: one on ts_ns.
    """
    around_ns = None if around is None else moment_ns(_moment(around), trace)
    chosen = calls.where(trace.manifest)
    parts = {"where": chosen, "around_ns": around_ns, "context": context, "top": top, "span": span}
    names = "SELECT DISTINCT syscall FROM syscalls WHERE abi = 'x86_64' AND {} ORDER BY syscall"
    near = [chosen] if span is None else [chosen, span]
    if around_ns is not None:
        ids = [
            row[0] for row in trace.query(render("calls", **call_words([]), stack=False, signals=None, **parts)).rows
        ]
        near.append(Fragment(f"event_id IN {literal(ids)}"))
    wanted = [name for (name,) in trace.query(names.format(where(near))).rows if name]
    return render("calls", **call_words(wanted, span), stack=stack, signals=signals, **parts)


def _moment(around: str | float) -> str | float:
    """The moment that ``around`` stands for: digits alone are an event_id."""
    event = whole_number(str(around).strip())
    return around if event is None else f"event:{event}"


def _settle(options: Options) -> Options:
    if options["around"] is not None and options["top"]:
        raise click.UsageError("--around and -T contradict each other; -C says how many calls are shown around one.")
    return options


def _text(answer: Answer) -> Iterator[str]:
    around, source = answer.options["around"], answer.result.source
    is_plain = around is None and answer.paint is None and not answer.options["stack"]
    if is_plain and answer.can_be_asked_again:
        return answer.lines(LINE_IN_SQL, source.queries if isinstance(source, _InParts) else ())
    marked = None if around is None else event_of(_moment(around))
    return call_lines(answer.result.records(), marked, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    options=(
        click.Option(
            ["--around"],
            metavar="EVENT|MOMENT",
            help="Only calls around this one (an event_id, or event:1234), or around a time: 1.5, or 10:03:15 (UTC).",
        ),
        click.Option(
            ["-C", "--context"],
            type=Count(),
            metavar="N",
            default=10,
            show_default=True,
            help="With --around: how many calls before and after.",
        ),
        click.Option(["-k", "--stack"], is_flag=True, help="Show the user stack of each call that has one."),
        top_option(0),
    ),
    streams=True,
    needs_all=("around", "stack"),
    help="""List every call in order of time, with its arguments in words, as strace does.

    \b
    calls -p 4242 --from 1.5 --to 2
    calls --around 1234 -C 5
    calls --syscall connect -x -k

    A line has the time of entry (UTC), the thread, the call and its result, and the seconds it took. Signals that
    threads were given stand between them, unless calls are chosen by name, path or failure.""",
)
