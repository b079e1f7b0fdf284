"""The tables of the page: the rows of reports, so that the page says what the terminal says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bpfrec.analyze.facade import Trace
from bpfrec.analyze.page.texts import shown

Column = tuple[str, str, str]
"""Name of a column in the report, its heading, and how it is shown: text, count, bytes, ns, time, pid or flag."""


@dataclass(frozen=True)
class TableSpec:
    """A table: the report that it shows, what it is about, and its columns, the first of which is the main one.

    ``left_out`` are options of users that the report does not have.
    """

    name: str
    title: str
    about: str
    report: str
    columns: Sequence[Column]
    left_out: Sequence[str] = ()

    @property
    def json(self) -> dict[str, Any]:
        """What the page's script needs to draw it, without rows."""
        return {
            "id": self.name,
            "title": self.title,
            "about": self.about,
            "command": f"bpfrec report {self.report}",
            "columns": [{"name": name, "heading": heading, "kind": kind} for name, heading, kind in self.columns],
        }


TABLES = (
    TableSpec(
        "waiting",
        "Waiting",
        "Time in calls that took at least 100 us, by what they waited for. A sleep is a wait too.",
        "waiting",
        (
            ("object", "waited for", "text"),
            ("syscall", "call", "text"),
            ("total_ns", "time", "ns"),
            ("calls", "calls", "count"),
            ("max_ns", "longest", "ns"),
            ("still", "still waiting", "count"),
            ("threads", "threads", "count"),
            ("processes", "processes", "count"),
        ),
    ),
    TableSpec(
        "failures",
        "Failures",
        "Failed calls by error and by what they were about.",
        "failures",
        (
            ("object", "about", "text"),
            ("count", "failed", "count"),
            ("syscall", "call", "text"),
            ("errno", "error", "text"),
            ("comm", "process", "text"),
            ("pid", "pid", "pid"),
            ("first_ts", "first", "time"),
            ("last_ts", "last", "time"),
            ("succeeded_later", "worked later", "flag"),
        ),
    ),
    TableSpec(
        "files",
        "Files",
        "Opens, failures, bytes and time by file.",
        "files",
        (
            ("path", "file", "text"),
            ("opens", "opens", "count"),
            ("closes", "closes", "count"),
            ("left_open", "left open", "count"),
            ("failures", "failed", "count"),
            ("bytes_read", "read", "bytes"),
            ("bytes_written", "written", "bytes"),
            ("calls", "calls", "count"),
            ("total_ns", "time", "ns"),
        ),
    ),
    TableSpec(
        "network",
        "Network",
        "Connections, failures, bytes and time by peer.",
        "network",
        (
            ("peer", "peer", "text"),
            ("protocol", "protocol", "text"),
            ("connects", "connects", "count"),
            ("accepts", "accepts", "count"),
            ("failures", "failed", "count"),
            ("bytes_sent", "sent", "bytes"),
            ("bytes_received", "received", "bytes"),
            ("calls", "calls", "count"),
            ("total_ns", "time", "ns"),
        ),
    ),
    TableSpec(
        "processes",
        "Processes",
        "Each process stands below its parent.",
        "processes",
        (
            ("cmdline", "command", "tree"),
            ("pid", "pid", "pid"),
            ("ppid", "parent", "pid"),
            ("start_s", "start", "seconds"),
            ("duration_ns", "lived", "ns"),
            ("threads", "threads", "count"),
            ("calls", "calls", "count"),
            ("failed", "failed", "count"),
            ("exit_code", "exit code", "pid"),
            ("signal", "signal", "pid"),
        ),
        left_out=("failed",),
    ),
    TableSpec(
        "latency",
        "Latency",
        "How long calls took, the most expensive first. Percentiles are exact.",
        "latency",
        (
            ("syscall", "call", "text"),
            ("count", "calls", "count"),
            ("errors", "failed", "count"),
            ("total_ns", "total", "ns"),
            ("min_ns", "shortest", "ns"),
            ("p50_ns", "median", "ns"),
            ("p90_ns", "90 %", "ns"),
            ("p99_ns", "99 %", "ns"),
            ("max_ns", "longest", "ns"),
        ),
    ),
)


def table(trace: Trace, spec: TableSpec, most: int, chosen: dict[str, Any]) -> dict[str, Any]:
    """The table with at most ``most`` rows, how many there are in all, and the notes of the report."""
    options = {name: value for name, value in chosen.items() if name not in spec.left_out}
    result = trace.report(spec.report, lazy=True, **options)
    rows = iter(result.records())
    kept = list(islice(rows, most))
    left = sum(1 for _ in rows)
    losses = trace.loss_notes()
    return spec.json | {
        "rows": [[_value(row, name, kind) for name, _, kind in spec.columns] for row in kept],
        "total": len(kept) + left,
        "depths": [row["depth"] or 0 for row in kept] if "depth" in result.columns else None,
        "notes": [shown(note) for note in result.notes if note not in losses],
    }


def _value(row: dict[str, Any], name: str, kind: str) -> Any:
    value = row[name]
    if kind == "tree":
        value = value or row.get("comm")
    if kind in ("text", "tree", "time"):
        return None if value is None else shown(value)
    return value
