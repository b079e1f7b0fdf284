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


def processes(rows: Iterable[Row], width: int | None) -> Iterator[str]:
    """Lines of processes, children indented below their parents."""
    columns = ("PID", "START", "SECONDS", "CALLS", "FAILED", "END", "COMMAND")
    cells = (
        (
            r["pid"],
            "before" if r["start_s"] is None else f"{r['start_s']:.3f}",
            "still" if r["duration_ns"] is None else f"{r['duration_ns'] / 1e9:.3f}",
            r["calls"],
            r["failed"],
            _end(r),
            "  " * r["depth"] + (r["cmdline"] or r["exe"] or r["comm"] or "?"),
        )
        for r in rows
    )
    return table(columns, cells, width)


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
