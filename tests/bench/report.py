"""From measurements to a table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measure import Measurement

BASE, FLOOR, PEER = "untraced", "empty BPF pair", "perf trace record"


@dataclass(frozen=True)
class Row:
    """A tool on a workload: medians over the rounds; None where there is nothing to say.

    ``added_ns`` per system call, with the least and the most of the rounds; less than ``noise_ns`` is no difference.
    ``slowdown`` is the time of the workload as a multiple of the untraced; ``cpu_s`` is the tool's CPU time in seconds
    per million of ``events``.
    """

    workload: str
    tool: str
    base_ns: float
    calls: int
    wall_s: float
    added_ns: float
    least_ns: float
    most_ns: float
    noise_ns: float
    slowdown: float
    to_floor: float | None
    to_peer: float | None
    events: float
    lost: float | None
    bytes_per_call: float | None
    cpu_s: float | None
    peak_mib: float | None
    finish_s: float | None

    @property
    def measurable(self) -> bool:
        """Whether what the tool adds stands out from the noise."""
        return self.added_ns > max(self.noise_ns, 1)


def summarize(measurements: Sequence[Measurement]) -> list[Row]:
    """A row per workload and tool."""
    groups: dict[str, dict[str, list[Measurement]]] = {}
    for one in measurements:
        groups.setdefault(one.workload, {}).setdefault(one.tool, []).append(one)
    return [row for by_tool in groups.values() if BASE in by_tool for row in _rows(by_tool)]


def _rows(by_tool: dict[str, list[Measurement]]) -> Iterable[Row]:
    times = {tool: [one.ns_per_call for one in ones] for tool, ones in by_tool.items()}
    base = statistics.median(times[BASE])
    # A difference smaller than how the untraced runs differ among themselves is none.
    noise = 2 * statistics.median(abs(time - base) for time in times[BASE])
    added = {tool: statistics.median(ts) - base for tool, ts in times.items()}

    def ratio(tool: str, other: str) -> float | None:
        return added[tool] / added[other] if other in added and added[other] > noise else None

    for tool, ones in by_tool.items():
        yield Row(
            workload=ones[0].workload,
            tool=tool,
            base_ns=base,
            calls=ones[0].calls,
            wall_s=statistics.median(one.wall_ns for one in ones) / 1e9,
            added_ns=added[tool],
            least_ns=min(times[tool]) - base,
            most_ns=max(times[tool]) - base,
            noise_ns=noise,
            slowdown=statistics.median(times[tool]) / base,
            to_floor=ratio(tool, FLOOR),
            to_peer=ratio(tool, PEER),
            events=statistics.median(one.events for one in ones),
            lost=_median(ones, lambda one: one.lost),
            bytes_per_call=_median(ones, lambda one: _per(one.output_bytes, one.recorded)),
            cpu_s=_median(ones, lambda one: _per(one.tool_cpu_ns, one.events, 1e-3)),
            peak_mib=_median(ones, lambda one: _per(one.tool_peak_bytes, 2**20)),
            finish_s=_median(ones, lambda one: _per(one.finish_ns, 10**9)),
        )


def _per(value: int | None, divisor: int | None, factor: float = 1) -> float | None:
    return value / divisor * factor if value is not None and divisor else None


def _median(ones: Sequence[Measurement], of: Callable[[Measurement], float | None]) -> float | None:
    values = [value for one in ones if (value := of(one)) is not None]
    return statistics.median(values) if values else None


_COLUMNS = (
    "workload",
    "tool",
    "ns added per call",
    "spread",
    "to empty pair",
    "to perf",
    "times untraced",
    "events lost",
    "bytes per call",
    "CPU s per 1M calls",
    "of calls",
    "peak MiB",
    "s to finished file",
)


NOTES = """\
Medians of the rounds; spread: least to most. No ratio where the other tool adds no more than the untraced runs differ
by. An event is a system call, of perf two samples. CPU time has all that the tool took: start, recording, finishing;
"of calls" says for how many. On gcc, git and find-tar bpfrec runs the command, the others are attached to its parent
and follow; the empty pair and bpftrace see the calls of every process."""


def table(rows: Iterable[Row]) -> list[str]:
    """The Markdown table."""
    lines = [_line(_COLUMNS), "|---|---|" + "--:|" * (len(_COLUMNS) - 2)]
    for row in rows:
        if row.tool == BASE:
            whole = [f"({row.base_ns:,.0f} ns a call)", f"({row.calls:,} calls, {row.wall_s:.2f} s)"]
            lines.append(_line([row.workload, row.tool, *whole, *[""] * (len(_COLUMNS) - 4)]))
            continue
        lines.append(
            _line(
                [
                    row.workload,
                    row.tool,
                    f"{row.added_ns:,.0f}",
                    f"{row.least_ns:,.0f} to {row.most_ns:,.0f}",
                    _number(row.to_floor, 1),
                    _number(row.to_peer, 2),
                    _number(row.slowdown, 2 if row.slowdown < 10 else 0),
                    _number(row.lost, 0),
                    _number(row.bytes_per_call, 1),
                    _number(row.cpu_s, 2),
                    f"{row.events:,.0f}",
                    _number(row.peak_mib, 0),
                    _number(row.finish_s, 2),
                ]
            )
        )
    return lines


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
