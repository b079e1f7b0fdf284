"""stream: what was read and written, sent and received."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.filters import where
from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal, render
from bpfrec.analyze.render.stream_lines import stream_lines
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.network import INTERNET
from bpfrec.analyze.reports.option_types import Count, top_option
from bpfrec.analyze.reports.report import Answer, Options, Report
from bpfrec.analyze.views.recording import wall_offset_ns
from bpfrec.formats.errors import ReportError
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.schema import DATA
from bpfrec.formats.trace_reader import table_rows

STREAMS = ("descriptor", "peer", "file")
"""What transfers can be put together by."""

_MESSAGES = ("sendmmsg", "recvmmsg")
"""Their results count messages; how long those were is not recorded."""

_ONLY = {"peer": Fragment("protocol IS NOT NULL"), "file": Fragment("starts_with(name, '/')")}


_LACKING = "the trace does not have what was read and written"
_REMEDY = "Record with --data N to have the first N bytes of each transfer: bpfrec record --data 4096 ..."


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    by: str | None = None,
    fd: int | None = None,
    sent: bool = False,
    received: bool = False,
    contents: bool = False,
    top: int = 0,
) -> Result:
    """Every transfer of bytes through a descriptor, in the order in which they moved, with what was copied of them.

    ``by``: one of :data:`STREAMS`: one stream behind the other, the one that began first at the top; with ``peer`` only
    sockets, with ``file`` only files. ``fd``: only descriptors of this number. ``sent``, ``received``: only this
    direction. ``contents``: refuse a trace whose recording was not asked for contents; without it, the rows of such a
    trace say how many bytes went where, and data is NULL. ``top``: at most this many transfers, 0 for all.
    Columns: event_id, ts, moved_ts, pid, tid, comm, syscall, direction, stream, fd, name, peer, position, bytes,
    messages, peeked, data (bytes), data_status.

    Raises:
        ReportError: with ``contents``, calls moved bytes and no contents are there; or both directions were asked for.
    """
    lacking = not table_rows(trace.manifest).get(DATA.name, 0) and not trace.manifest.configuration.get("data_bytes")
    moving = (*calls_that("reads", "writes", "sends", "receives", "copies", "copies_back"), *_MESSAGES)
    if lacking and contents and not trace.manifest.syscalls.keys().isdisjoint(moving):
        raise ReportError(_LACKING, _REMEDY)
    if sent and received:
        raise ReportError("sent and received leave nothing of each other", "Without both, each transfer is shown.")
    only = [_ONLY[by]] if by in _ONLY else []
    if fd is not None:
        only.append(Fragment(f"fd = {literal(fd)}"))
    if sent or received:
        only.append(Fragment("is_sent" if sent else "NOT is_sent"))
    sql = render(
        "stream",
        where=calls.where(trace.manifest),
        moving=moving,
        receiving=(*calls_that("reads", "receives"),),
        sending=(*calls_that("writes", "sends", "copies_back"), "sendmmsg"),
        copying=calls_that("copies"),
        back=calls_that("copies_back"),
        messages=_MESSAGES,
        given=Fragment(render("given_peers")),
        internet=INTERNET,
        only=where(only),
        by=by,
        wall_offset_ns=wall_offset_ns(trace.manifest),
        top=top,
    )
    return trace.query(sql, [f"{_LACKING}. {_REMEDY}"] if lacking else [], lazy=True)


def _settle(options: Options) -> Options:
    if options["sent"] and options["received"]:
        raise click.UsageError("--sent and --received contradict each other; without both, each transfer is shown.")
    # A text that says of each transfer that it is not there would be of no use; to a program sizes and times are.
    return options | {"contents": options["format"] == "table" and not options["show_sql"]}


def _text(answer: Answer) -> Iterator[str]:
    options = answer.options
    return stream_lines(answer.result.records(), options["by"], options["hex"], answer.width, answer.paint)


REPORT = Report(
    compute,
    text=_text,
    settle=_settle,
    empty="nothing was read or written by the chosen calls",
    options=(
        click.Option(
            ["--by"],
            type=click.Choice(STREAMS),
            help="Show one stream after the other: by descriptor, by peer of sockets, or by file.",
        ),
        click.Option(["--fd"], type=Count(), metavar="N", help="Only descriptors of this number."),
        click.Option(["--sent"], is_flag=True, help="Only what was sent and written."),
        click.Option(["--received"], is_flag=True, help="Only what was received and read."),
        click.Option(["--hex"], is_flag=True, help="Show bytes as hexdump -C does, with their place in the stream."),
        top_option(0),
    ),
    help="""Show what was read and written, sent and received, of a trace recorded with --data.

    \b
    stream -n curl
    stream --by peer --path 'TCP *:80'
    stream --fd 3 --received --hex

    Each transfer has a line: when the bytes moved (UTC), ">" for sent and "<" for received, how many, the thread, the
    descriptor. Below it are the bytes as text, with escapes for what is not printable. A line in [brackets] says how
    many of them are not in the trace, and why.""",
)
