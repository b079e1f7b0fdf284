"""What the reports share that print a line for each event, as bcc's tools called ...snoop do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.bcc_lines import Field, bcc_lines, header, line_in_sql
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.intervals import duration_option, intervals
from bpfrec.analyze.reports.moments import zone_notes
from bpfrec.analyze.reports.option_types import limit_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.views.recording import wall_offset_ns

RETURN = "ts_ns + coalesce(duration_ns, 0)"
"""SQL: when a call ended, ns on CLOCK_MONOTONIC."""


def snoop(
    trace: Queries,
    calls: CallFilter,
    template: str,
    /,
    duration_s: float | None = None,
    top: int = 0,
    **values: Any,
) -> Result:
    """The rows of ``reports/TEMPLATE.sql``: events of the chosen calls, by time.

    The template gets ``where``, ``top``, ``start_ns`` (of the recording) and ``wall_offset_ns``, and ``values``.
    ``duration_s``: only the first so many seconds of the recording.
    """
    manifest = trace.manifest
    times = intervals(manifest, None, duration_s)
    chosen = [*calls.conditions(manifest), *times.conditions(RETURN)]
    sql = render(
        template,
        where=where(chosen),
        top=top,
        start_ns=manifest.start_ns,
        wall_offset_ns=wall_offset_ns(manifest),
        **values,
    )
    return trace.query(sql, lazy=True)


def in_lines(*fields: Field) -> Callable[[Answer], Iterator[str]]:
    """A text with a line of ``fields`` for each row."""

    def text(answer: Answer) -> Iterator[str]:
        line = line_in_sql(fields, answer.options)
        if line is None or not answer.can_be_asked_again:
            yield from bcc_lines(fields, answer.result.records(), answer.options)
        else:
            yield header(fields, answer.options)
            yield from answer.lines(line)

    return text


def snoop_report(
    compute: Callable[..., Result],
    text: Callable[[Answer], Iterator[str]],
    help: str,  # noqa: A002 - as in Report
    options: Sequence[click.Parameter] = (),
    flags: Mapping[str, Sequence[str]] | None = None,
    settle: Callable[[Options], Options] = dict,
    duration: str = "-d",
    **more: Any,
) -> Report:
    """A report of events, most often with a line for each; ``-d``, or ``duration``, and ``--limit`` come by
    themselves.
    """
    return Report(
        compute,
        text=text,
        help=help,
        options=(*options, duration_option(duration), limit_option()),
        flags=flags or {},
        settle=settle,
        remarks=lambda answer: zone_notes(answer.trace.manifest),
        **more,
    )


def flag(flags: list[str], text: str) -> click.Option:
    """An option without a value."""
    return click.Option(flags, is_flag=True, help=text)
