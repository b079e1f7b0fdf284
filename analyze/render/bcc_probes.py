"""The text of bcc's argdist and trace, to the byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bpfrec.analyze.render.bcc import log2_histogram, shown
from bpfrec.analyze.render.escape import printable

_STACKS = {"kernel_stack": "[no kernel stack recorded]", "stack": "[no stack recorded]"}
"""Columns with stacks, in the order in which bcc prints them, and what stands for one that is not there."""


def argdist_text(
    rows: Iterable[Mapping[str, Any]], titles: Sequence[tuple[bool, str]], clocks: Sequence[str]
) -> Iterator[str]:
    """The lines of argdist, for every interval all counts, then all histograms.

    ``rows`` with interval, probe, event, low, high, count, in order; ``titles``: whether a probe is a histogram,
    and its heading or label; ``clocks``: HH:MM:SS at the end of each interval.
    """
    found = {key: list(group) for key, group in groupby(rows, lambda row: (row["interval"], row["probe"]))}
    for interval, clock in enumerate(clocks, 1):
        yield f"[{clock}]"
        for probe, (is_histogram, title) in enumerate(titles, 1):
            values = found.get((interval, probe), [])
            if is_histogram:
                yield from log2_histogram({row["high"].bit_length(): row["count"] for row in values}, printable(title))
                continue
            yield printable(title)
            yield f"\t{'COUNT':<10} EVENT"
            for row in values:
                yield f"\t{row['count']:<10} {shown(row['event'])}"


def trace_text(rows: Iterable[Mapping[str, Any]], clock: str | None, cpu: bool, messages: bool) -> Iterator[str]:
    """The lines of trace; rows with pid, tid, comm, func, message and, where asked for, time, cpu, stack, count.

    ``clock``: which time is shown, ``unix`` being wider; ``messages``: whether any probe has a format.
    """
    width = 17 if clock == "unix" else 8
    header = f"{'TIME':<{width}} " if clock else ""
    header += f"{'CPU':<3} " if cpu else ""
    yield header + f"{'PID':<7} {'TID':<7} {'COMM':<15} {'FUNC':<16} {'-' if messages else ''}"
    for row in rows:
        line = f"{shown(row['time']):<{width}} " if clock else ""
        line += f"{shown(row['cpu']):<3} " if cpu else ""
        line += f"{shown(row['pid']):<7} {shown(row['tid']):<7} {shown(row['comm']):<15} {shown(row['func']):<16} "
        yield line + ("" if row["message"] is None else printable(row["message"]))
        for column, missing in _STACKS.items():
            if column in row:
                for frame in row[column] or [missing]:
                    yield " " * 8 + printable(frame)
        if "count" in row:
            yield f"-->COUNT {row['count']}"
        if "count" in row or not _STACKS.keys().isdisjoint(row):
            yield ""
