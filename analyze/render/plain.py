"""Text of the reports that are bpfrec's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bpfrec.analyze.render.bcc import log2_histogram, path_text
from bpfrec.analyze.render.data import plain
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.table import table

Row = Mapping[str, Any]

_SECTIONS = {
    "recording": "Recording",
    "processes": "Processes by calls",
    "calls": "System calls by count",
    "failures": "Failures by count",
    "losses": "Missing from this trace",
}


def failed_opens(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of failed-opens: times to the millisecond, and a word where there is no path."""
    columns = ("COUNT", "ERROR", "PID", "COMM", "FIRST", "LAST", "PATH")
    cells = (
        (
            r["count"],
            r["errno"],
            r["pid"],
            r["comm"],
            _clock(r["first_ts"]),
            _clock(r["last_ts"]),
            _path(r["path"], r["path_status"]),
        )
        for r in rows
    )
    return table(columns, cells, width)


def failures(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of failures."""
    columns = ("COUNT", "CALL", "ERROR", "FIRST", "LAST", "LATER", "PATH")
    cells = (
        (
            r["count"],
            r["syscall"],
            r["errno"],
            _clock(r["first_ts"]),
            _clock(r["last_ts"]),
            _later(r["processes_succeeded"], r["processes"]),
            "-" if r["path"] is None else r["path"],
        )
        for r in rows
    )
    return table(columns, cells, width)


def _later(succeeded: int, processes: int) -> str:
    if succeeded == processes:
        return "worked"
    return f"in {succeeded} of {processes}" if succeeded else "-"


def files(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of files, times in milliseconds."""
    columns = ("OPENS", "FAILED", "READ", "WRITTEN", "CALLS", "TIME (ms)", "FILE")
    names = ("opens", "failures", "bytes_read", "bytes_written", "calls")
    cells = ((*(r[n] for n in names), _Fixed(r["total_ns"] / 1e6), r["path"]) for r in rows)
    return table(columns, cells, width)


def network(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of network, times in milliseconds."""
    columns = ("CONNECTS", "ACCEPTS", "FAILED", "SENT", "RECEIVED", "CALLS", "TIME (ms)", "PROTOCOL", "PEER")
    names = ("connects", "accepts", "failures", "bytes_sent", "bytes_received", "calls")
    cells = (
        (*(r[n] for n in names), _Fixed(r["total_ns"] / 1e6), *(_or_dash(r[n]) for n in ("protocol", "peer")))
        for r in rows
    )
    return table(columns, cells, width)


def _or_dash(text: str | None) -> str:
    return "-" if text is None else text


def latency(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of latency, times in microseconds."""
    columns = ("CALL", "COUNT", "TOTAL (us)", "MIN", "P50", "P95", "P99", "MAX")
    names = ("total_ns", "min_ns", "p50_ns", "p95_ns", "p99_ns", "max_ns")
    cells = [(r["syscall"], r["count"], *(_Fixed(r[n] / 1e3) for n in names)) for r in rows]
    return table(columns, cells, width)


def latency_histograms(rows: Iterable[Row]) -> Iterator[str]:
    """A log2 histogram in ns for every system call, as bcc draws them."""
    for syscall, slots in groupby(rows, key=lambda r: r["syscall"]):
        yield f"syscall = {printable(syscall)}"
        yield from log2_histogram({r["to_ns"].bit_length(): r["count"] for r in slots}, "nsecs")
        yield ""


def processes(rows: Iterable[Row], width: int | None, calls: bool) -> Iterator[str]:
    """Lines of processes, children indented below their parents; ``calls``: with their first and last calls.

    A process that executed several programs has a line for each, the others below the first.
    """
    columns = ("PID", "START", "SECONDS", "THREADS", "CALLS", "FAILED", *_FIRST_LAST[: 2 * calls], "END", "COMMAND")
    return table(columns, (cells for r in rows for cells in _process(r, calls)), width)


_FIRST_LAST = ("FIRST", "LAST")


def _process(r: Row, calls: bool) -> Iterator[tuple[object, ...]]:
    indent = "  " * r["depth"]
    first, *others = r["execs"] or [None]
    yield (
        r["pid"],
        "before" if r["start_s"] is None else f"{r['start_s']:.3f}",
        "still" if r["duration_ns"] is None else f"{r['duration_ns'] / 1e9:.3f}",
        r["threads"],
        r["calls"],
        r["failed"],
        *(r[name] or "-" for name in ("first_call", "last_call")[: 2 * calls]),
        _end(r),
        indent + ((others and _program(first)) or r["cmdline"] or r["exe"] or r["comm"] or "?"),
    )
    for program in others:
        blank = [""] * (2 * calls + 1)
        yield (_BLANK, f"{program['start_s']:.3f}", "", *[_BLANK] * 3, *blank, f"{indent}exec {_program(program)}")


def _program(executed: Mapping[str, Any]) -> str:
    return str(executed["argv"] or executed["path"] or "?")


def summary(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """The page of summary, section by section."""
    for number, (section, lines) in enumerate(groupby(rows, key=lambda r: r["section"])):
        if number:
            yield ""
        yield f"{_SECTIONS[section]}:"
        cells = [(_number(r["name"]), _number(r["value"]), "" if r["detail"] is None else r["detail"]) for r in lines]
        body = list(table(("", "", ""), cells, None if width is None else width - 2))[2:]
        yield from (f"  {line}" for line in body)


def record(row: Row, width: int | None) -> Iterator[str]:
    """One row as lines of name and value."""
    cells = []
    for name, value in row.items():
        shown = plain(value)
        if isinstance(shown, dict):
            shown = ", ".join(f"{key} {number}" for key, number in shown.items())
        cells.append((name, "-" if shown is None else str(shown)))
    return iter(list(table(("", ""), cells, width))[2:])


class _Fixed(float):
    """A number that prints with three decimals."""

    def __str__(self) -> str:
        return f"{self:.3f}"


class _Blank:
    """Nothing, in a column of numbers."""

    def __float__(self) -> float:
        return 0.0

    def __str__(self) -> str:
        return ""


_BLANK = _Blank()


def _end(row: Row) -> str:
    if row["signal"] is not None:
        return f"signal {row['signal']}"
    return "-" if row["exit_code"] is None else str(row["exit_code"])


def _number(text: str) -> Any:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text


def _clock(iso: str) -> str:
    return iso[11:23]


def _path(path: str | None, status: str | None) -> str:
    return path_text(path, status)
