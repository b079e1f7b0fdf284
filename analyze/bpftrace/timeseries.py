"""Time series, what ``tseries()`` keeps: a value for each interval, drawn as bpftrace draws them.

Facts: bpftrace's docs/stdlib.md, and src/output/text.cpp and json.cpp of 0.27.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

_WIDTH = 53
_PADDING = 21
_UNITS = ((10**9, "", 0), (10**6, ".ms", 3), (10**3, ".μs", 6), (0, ".ns", 9))
"""The least interval that is told with so many digits behind the second, and what stands above them."""

WAYS = ("", "avg", "max", "min", "sum")
"""How values of one interval are put together: '' keeps the last."""

_TOGETHER: dict[str, Callable[[int, int], int]] = {"max": max, "min": min, "sum": operator.add}

Series = dict[int, Any]
"""Values by the number of their interval since 1970; of an average a sum and a count."""


def add(series: Series, epoch: int, value: int, way: str, most: int) -> None:
    """Adds a value to an interval; of intervals so many are kept."""
    if way == "avg":
        known = series.setdefault(epoch, [0, 0])
        known[0] += value
        known[1] += 1
    elif epoch in series and way:
        series[epoch] = _TOGETHER[way](series[epoch], value)
    else:
        series[epoch] = value
    if len(series) > 2 * most:
        for old in [number for number in series if number <= epoch - most]:
            del series[old]


def shown(series: Series, last: int, most: int, way: str) -> list[tuple[int, int | None]]:
    """The intervals to show, from the first that has a value to ``last``: each with its value, None of none."""
    kept = {epoch: value for epoch, value in series.items() if last - most < epoch <= last}
    if not kept:
        return []
    if way == "avg":
        kept = {epoch: int(total / count) for epoch, (total, count) in kept.items()}
    return [(epoch, kept.get(epoch)) for epoch in range(min(kept), last + 1)]


def lines(points: list[tuple[int, int | None]], interval_ns: int, utc_offset_s: int) -> Iterator[str]:
    """The lines of a graph; a time is that of the recording host."""
    if not points:
        yield "<no data>"
        return
    values = [value for _, value in points if value is not None]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    step = interval_ns if len(points) > 1 else 0
    _, unit, digits = next(item for item in _UNITS if step >= item[0])
    margin = len("hh:mm:ss") + (1 + digits if digits else 0) + 1
    bounds = f"{low:<{_PADDING}}{high:>{_WIDTH - _PADDING}}"
    zero = int(_WIDTH * (0 - low) / (high - low)) if low < 0 < high else 0
    yield " " * margin + bounds
    yield f"{'hh:mm:ss' + unit:<{margin}}|{'_' * (_WIDTH - 2)}|"
    for epoch, value in points:
        line = ["|", *" " * (_WIDTH - 2), "|"]
        if zero:
            line[zero] = "."
        if value is not None:
            line[max(0, min(_WIDTH - 1, int((_WIDTH - 1) * (value - low) / (high - low))))] = "*"
        time = _clock(epoch * interval_ns + utc_offset_s * 10**9, digits)
        yield f"{time} {''.join(line)} {'-' if value is None else value}"
    yield " " * margin + "v" + "_" * (_WIDTH - 2) + "v"
    yield " " * margin + bounds


def _clock(ns: int, digits: int) -> str:
    seconds, rest = divmod(ns, 10**9)
    minutes, second = divmod(seconds % 86400, 60)
    fraction = f".{rest // 10 ** (9 - digits):0{digits}d}" if digits else ""
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{second:02d}{fraction}"


def points_json(points: list[tuple[int, int | None]], interval_ns: int, utc_offset_s: int) -> list[dict[str, Any]]:
    """The intervals that have a value, as ``-f json`` writes them."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    found = []
    for epoch, value in points:
        if value is not None:
            seconds, rest = divmod(epoch * interval_ns, 10**9)
            day = datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=utc_offset_s)
            found.append({"interval_start": f"{day:%Y-%m-%d %H:%M:%S}.{rest:09d}", "value": value})
    return found
