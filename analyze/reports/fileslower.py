"""fileslower: reads and writes of files that took long."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.render.bcc_lines import Field, Record, bcc_lines, decimals
from bpfrec.analyze.reports.call_filter import CallFilter
from bpfrec.analyze.reports.report import Answer, Options
from bpfrec.analyze.reports.snoop import flag, snoop, snoop_report
from bpfrec.formats.kernel.roles import calls_that
from bpfrec.formats.units import seconds_in

_LEAST_MS = 10.0


def compute(
    trace: Queries,
    calls: CallFilter,
    *,
    least_ms: float = _LEAST_MS,
    all_files: bool = False,
    duration_s: float | None = None,
    top: int = 0,
) -> Result:
    """Calls that read or wrote a file and took at least ``least_ms`` milliseconds, by the time of their return.

    ``all_files``: also sockets, pipes and what else is no file. ``duration_s``: only the first so many seconds.
    ``top``: at most this many rows, 0 for all.
    Columns: event_id, ts, time_s, comm, pid, tid, direction, syscall, bytes_asked, bytes, duration_ns, file.
    """
    reading, writing = calls_that("reads"), calls_that("writes")
    return snoop(
        trace,
        calls,
        "fileslower",
        duration_s=duration_s,
        top=top,
        reading=reading,
        moving=(*reading, *writing),
        least_ns=round(least_ms * 1e6),
        all_files=all_files,
    )


def _name(row: Record) -> str | None:
    file: str | None = row["file"]
    return file if file is None or not file.startswith("/") else file.rpartition("/")[2]


_FIELDS = (
    Field("TIME(s)", -8, decimals("time_s", 3)),
    Field("COMM", -14, "comm", most=14),
    Field("TID", -6, "tid"),
    Field("D", 1, "direction"),
    Field("BYTES", -7, lambda row: row["bytes"] if row["bytes_asked"] is None else row["bytes_asked"]),
    Field("LAT(ms)", 7, decimals("duration_ns", 2, 1e6)),
    Field("FILENAME", 0, _name, gap=""),
)


def _text(answer: Answer) -> Iterator[str]:
    yield f"Tracing sync read/writes slower than {answer.options['least_ms']:g} ms"
    yield from bcc_lines(_FIELDS, answer.result.records(), answer.options)


def _settle(options: Options) -> Options:
    given = options["least_ms"]
    if len(given) > 1:
        raise click.UsageError(f"One time is enough: {' '.join(given)}.")
    try:
        least_ms = seconds_in(given[0], "ms") * 1e3 if given else _LEAST_MS
    except ValueError:
        raise click.UsageError(
            f"{given[0]!r} is neither a time nor a trace: give 10 (milliseconds), or 500us."
        ) from None
    return options | {"least_ms": least_ms}


REPORT = snoop_report(
    compute,
    _text,
    """Print reads and writes of files that took long, as bcc's fileslower does.

    MIN_MS is the shortest time to show, in milliseconds or with a unit (500us); 10 by default. The time is that of the
    system call. BYTES are those asked for. json and csv have absolute names.""",
    options=(
        click.Argument(["least_ms"], metavar="[MIN_MS] [TRACE]", nargs=-1),
        flag(["-a", "--all-files"], "Also sockets, pipes and other things that are not files."),
    ),
    settle=_settle,
)
