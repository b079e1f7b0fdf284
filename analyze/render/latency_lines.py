"""The slowest calls, and those that were slower than all before, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import Painter, fold
from bpfrec.analyze.render.text_columns import Duration, Record

_INDENT = " " * 9
_NARROWEST = 20


def slow_calls(rows: Iterable[Record], width: int | None, paint: Painter | None = None) -> Iterator[str]:
    """For each call its duration, its time of entry and its thread, then the call, then the frames of its stack."""
    for row in rows:
        place = f"{shown(row['ts'])[11:26]}  {shown(row['comm'])} {shown(row['tid'])}  event:{row['event_id']}"
        yield f"{Duration(row['duration_ns'])!s:>7}  {place}"
        yield from call_on_lines(row, _INDENT, width, paint)
        yield from (
            f"{_INDENT}  > {part}"
            for frame in (row["stack"] or "").splitlines()
            for part in _folded(printable(frame), len(_INDENT) + 4, width)
        )


def new_maxima(rows: Iterable[Record], width: int | None, paint: Painter | None = None) -> Iterator[str]:
    """For each maximum the time of its return, its duration, that of the maximum before and its thread; the call."""
    heading = f"{'RETURNED (UTC)':<15}  {'NEW MAX':>7}  {'BEFORE':>7}  THREAD, EVENT, CALL"
    yield paint("", heading) if paint else heading
    for row in rows:
        before = "-" if row["before_ns"] is None else str(Duration(row["before_ns"]))
        thread = f"{shown(row['comm'])} {shown(row['tid'])}  event:{row['event_id']}"
        yield f"{shown(row['end_ts'])[11:26]}  {Duration(row['duration_ns'])!s:>7}  {before:>7}  {thread}"
        yield from call_on_lines(row, _INDENT, width, paint)


def call_on_lines(row: Record, indent: str, width: int | None, paint: Painter | None = None) -> Iterator[str]:
    """The column call, on as many lines as it takes; ``paint`` colours one that failed."""
    for number, part in enumerate(_folded(shown(row["call"]), len(indent) + 2, width)):
        line = f"{indent}{'  ' if number else ''}{part}".rstrip()
        yield paint("ERROR", line) if paint and row["errno"] is not None else line


def _folded(text: str, indent: int, width: int | None) -> list[str]:
    return [text] if width is None else fold(text, max(width - indent, _NARROWEST))
