"""summary: one page about a trace."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, render
from bpfrec.analyze.render.pages import summary_page
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import Count
from bpfrec.analyze.reports.report import Answer, Report
from bpfrec.analyze.reports.syncsnoop import SYNC_CALLS
from bpfrec.formats.kernel.call_lists import call_names


def compute(trace: Queries, calls: CallFilter, *, top: int = 5) -> Result:
    """The recording; of the chosen calls ``top`` findings, processes, calls and failures (0: all); and what is missing.

    Findings are what looks wrong, the worst first. The time is that of the threads of the chosen processes and users,
    from the start of the recording to its end.
    Columns: section, name, value, detail, command, all of them text.
    """
    manifest = trace.manifest
    where = calls.where(manifest)
    # As DOUBLE, for the times of a damaged trace may be as far apart as no integer of 64 bits is.
    times = {name: Fragment(f"{getattr(manifest, name)}::DOUBLE") for name in ("start_ns", "stop_ns")}
    shared = {"syncing": SYNC_CALLS, "counted": _counted, **times}
    findings = render(
        "findings",
        where=where,
        signals=_SIGNALS,
        has_requests=manifest.configuration.get("uring") is True,
        length_ns=max(manifest.stop_ns - manifest.start_ns, 1),
        **shared,
    )
    threads = CallFilter(pids=calls.pids, tids=calls.tids, uids=calls.uids).where(manifest)
    kinds = {name: sorted(call_names(f"%{kind}")) for name, kind in _KINDS.items()}
    lasted = Fragment(render("lasted", **shared))
    called = render("called", where=where, threads=threads, same_threads=threads == where, lasted=lasted)
    parts = {"called": called, "findings": findings, "spent": render("spent", **kinds, **shared)}
    return trace.query(render("summary", top=top, **{name: Fragment(sql) for name, sql in parts.items()}))


_SIGNALS = [
    *((4, "SIGILL"), (5, "SIGTRAP"), (6, "SIGABRT"), (7, "SIGBUS"), (8, "SIGFPE"), (9, "SIGKILL"), (11, "SIGSEGV")),
    *((24, "SIGXCPU"), (25, "SIGXFSZ"), (31, "SIGSYS")),
]
"""Signals that end programs that did nothing about it, and by which nobody asks a program to end."""

_KINDS = {"network": "network", "descriptors": "desc", "memory": "memory"}
"""Kinds of calls in the time that was spent, and strace's classes of the same."""


def _counted(number: str, thing: str) -> Fragment:
    """SQL of a number and what is counted, a trusted word: '1 call', '2,000 calls'."""
    return Fragment(
        f"format('{{:,}}', ({number})::BIGINT) || CASE WHEN {number} = 1 THEN ' {thing}' ELSE ' {thing}s' END"
    )


def _text(answer: Answer) -> Iterator[str]:
    return summary_page(answer.result.dicts(), answer.width)


REPORT = Report(
    compute,
    text=_text,
    options=(
        click.Option(
            ["-T", "--top", "--limit"],
            type=Count(),
            metavar="N",
            default=5,
            show_default=True,
            help="Show at most this many lines in a section; 0 shows all.",
        ),
    ),
    help="""Show one page: the recording, what looks wrong, what the time went to, who called what, what failed.

    Each finding has its evidence, and the command that shows more. Options that choose calls apply to findings,
    processes, calls and failures; -p, -t and -u also to the time. The recording and its losses stay whole.""",
)
