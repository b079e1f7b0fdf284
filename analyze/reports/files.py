"""files: what was done with every file."""

from __future__ import annotations

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import identifier, render
from bpfrec.analyze.render.text_columns import TextColumn, scaled
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.option_types import top_option
from bpfrec.analyze.reports.report import Report, in_columns
from bpfrec.analyze.reports.requests import has_requests
from bpfrec.formats.kernel.descriptors import uses
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.kernel.syscalls import syscalls

SORTS = {
    "time": "total_ns",
    "calls": "calls",
    "opens": "opens",
    "failures": "failures",
    "left": "left_open",
    "read": "bytes_read",
    "written": "bytes_written",
}
"""What files can be sorted by, and the column that has it."""


def compute(trace: Queries, calls: CallFilter, *, sort: str = "time", top: int = 0) -> Result:
    """Opens, failures, bytes and time by file: by its resolved path, else by the path as passed.

    Requests to io_uring count as calls that do the same; their time is that from submission to completion.

    ``sort``: a key of :data:`SORTS`; the largest value stands first. ``top``: at most this many rows, 0 for all.
    Columns: opens, failures, bytes_read, bytes_written, calls, total_ns, processes, path, resolved, closes,
    left_open.
    """
    return trace.query(
        render(
            "files",
            where=calls.where(trace.manifest),
            uring=has_requests(trace.manifest),
            opening=calls_that("opens"),
            reading=calls_that("reads", "copies"),
            writing=calls_that("writes", "copies_back"),
            reading_second=calls_that("copies_back"),
            writing_second=calls_that("copies"),
            about_two=_about_two(),
            sort=identifier(SORTS[sort]),
            top=top,
        ),
        lazy=True,
    )


def _about_two() -> list[str]:
    """The calls that can be about two files."""
    return [
        name
        for name, call in syscalls().items()
        if len(call.paths) > 1 or any(len(uses(name, abi)) > 1 for abi in ("x86_64", "i386"))
    ]


_COLUMNS = (
    TextColumn("OPENS", "opens"),
    TextColumn("CLOSES", "closes"),
    TextColumn("LEFT", "left_open"),
    TextColumn("FAILED", "failures"),
    TextColumn("READ", "bytes_read"),
    TextColumn("WRITTEN", "bytes_written"),
    TextColumn("CALLS", "calls"),
    TextColumn("TIME (ms)", scaled("total_ns", 1e6)),
    TextColumn("FILE", "path"),
)


REPORT = Report(
    compute,
    text=in_columns(_COLUMNS),
    options=(
        click.Option(
            ["--sort"],
            type=click.Choice(list(SORTS)),
            default="time",
            show_default=True,
            help="Show the files with the largest value first.",
        ),
        top_option(20),
    ),
    help="""Show what was done with every file: opens, failures, bytes read and written, time.

    A file is shown by its absolute name, however a call named it: by path or by descriptor. If that name is not known,
    the path is shown as it was passed. Requests to io_uring count as calls.
    LEFT counts opens that no close followed, in processes that outlived the
    recording.""",
)
