"""Answers for every so many seconds of a recording, as bcc's tools give them with ``-i``, ``-d`` and ``-n``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Self

import click

from bpfrec.analyze.engine.result import Result
from bpfrec.analyze.engine.sqltemplate import Fragment, literal
from bpfrec.analyze.reports.option_types import Time
from bpfrec.formats.errors import ReportError
from bpfrec.formats.manifest import Manifest

_MOST = 100_000
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Intervals:
    """The intervals of a recording: when it starts and each of them ends, ns on CLOCK_MONOTONIC.

    ``step_ns`` is None for one interval. ``is_cut``: whether the recording goes on behind the last one.
    """

    start_ns: int
    ends_ns: list[int]
    step_ns: int | None = None
    is_cut: bool = False

    def number(self, time: str) -> Fragment:
        """SQL: the number of the interval, from 1, that the SQL ``time`` (ns on CLOCK_MONOTONIC) falls into."""
        if self.step_ns is None or len(self.ends_ns) == 1:
            return Fragment("1")
        since = f"greatest({time} - {literal(self.start_ns)}, 0)"
        return Fragment(f"least({since} // {self.step_ns}, {len(self.ends_ns) - 1}) + 1")

    def conditions(self, time: str) -> list[Fragment]:
        """SQL: whether ``time`` falls into one of them; none where they last as long as the recording."""
        return [Fragment(f"{time} < {self.ends_ns[-1]}")] if self.is_cut else []


@dataclass
class IntervalResult(Result):
    """Rows in the order of their intervals, whose ends, ns on CLOCK_MONOTONIC, are ``ends_ns``."""

    ends_ns: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, result: Result, times: Intervals, **more: Any) -> Self:
        """The rows of ``result``, which are of the intervals ``times``; ``more``: fields of a subclass."""
        return cls(result.columns, result.types, result.source, result.sql, result.notes, ends_ns=times.ends_ns, **more)

    def by_interval(self) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """The end of each interval, and its rows. Without a column ``interval`` all rows are of the first."""
        found = {number: list(rows) for number, rows in groupby(self.records(), lambda row: row.get("interval", 1))}
        for number, end in enumerate(self.ends_ns, 1):
            yield end, found.get(number, [])


def intervals(
    manifest: Manifest, interval_s: float | None, duration_s: float | None = None, number: int | None = None
) -> Intervals:
    """The intervals of ``interval_s`` seconds within the first ``duration_s``, at most ``number`` of them.

    ``number`` without ``interval_s`` counts seconds.

    Raises:
        ReportError: there are too many.
    """
    start, stop = manifest.start_ns, manifest.stop_ns
    if number is not None and interval_s is None:
        interval_s = 1.0
    if duration_s is not None:
        stop = min(stop, start + round(duration_s * _SECOND_NS))
    is_cut = duration_s is not None or number is not None
    if interval_s is None:
        return Intervals(start, [stop], None, is_cut)
    step = max(round(interval_s * _SECOND_NS), 1)
    count = max(-(-(stop - start) // step), 1)
    count = count if number is None else min(count, number)
    if count > _MOST:
        raise ReportError(f"{count} intervals of {interval_s:g} s: the limit is {_MOST}", "Take longer ones: -i.")
    return Intervals(start, [min(start + (n + 1) * step, stop) for n in range(count)], step, is_cut)


def interval_option() -> click.Option:
    """``-i``, seconds."""
    return click.Option(
        ["-i", "--interval", "interval_s"],
        type=Time(least=1e-6),
        metavar="TIME",
        help="Print an answer for each interval of this length: 1 (second), 100ms.",
    )


def duration_option(letter: str = "-d") -> click.Option:
    """``-d``, seconds, with another letter or none where bcc's tool has another ``-d``."""
    return click.Option(
        [*([letter] if letter else []), "--duration", "duration_s"],
        type=Time(),
        metavar="TIME",
        help="Only the first part of the recording: 10 (seconds), 500ms.",
    )
