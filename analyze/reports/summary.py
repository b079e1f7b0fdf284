"""summary: one page about a trace."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import render
from bpfrec.analyze.render.pages import summary_page
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.report import Answer, Report


def compute(trace: Queries, calls: CallFilter, *, top: int = 5) -> Result:
    """The recording, its ``top`` processes, calls and failures among the chosen calls, and what is missing.

    Columns: section, name, value, detail, all of them text.
    """
    return trace.query(render("summary", where=calls.where(trace.manifest), top=top))


def _text(answer: Answer) -> Iterator[str]:
    return summary_page(answer.result.dicts(), answer.width)


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(
            ["-T", "--top", "--limit"],
            type=click.IntRange(1),
            metavar="N",
            default=5,
            show_default=True,
            help="Show at most this many lines in a section.",
        ),
    ),
    help="""Show one page: the recording, its processes, what they called, what failed, what is missing.

    Options that choose calls apply to processes, calls and failures; the recording and its losses stay whole.""",
)
