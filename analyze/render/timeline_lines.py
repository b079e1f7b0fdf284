"""What one thread did, as lines with a bar that shows when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.layout import Painter, fold
from bpfrec.analyze.render.text_columns import Duration, Record, shortened

_BAR = 12
_INDENT = 42
"""Where the text of a call begins."""
_NARROWEST = 20


def timeline_lines(
    rows: Iterable[Record],
    tid: int,
    pid: int,
    event_id: int | None,
    width: int | None,
    most: int | None = None,
    paint: Painter | None = None,
) -> Iterator[str]:
    """A heading, and a line for each of ``rows``, those of the report timeline.

    The row of the call ``event_id`` is pointed at; without one, a line stands where the moment is. ``most``: how many
    characters of a call are shown, None for all. ``paint`` colours the heading and calls that failed.
    """
    held = list(rows)
    if not held:
        return
    first = min(row["offset_ns"] for row in held)
    last = max(row["offset_ns"] + (row["duration_ns"] or 0) for row in held)
    name = next((shown(row["comm"]) for row in held if row["kind"] == "call"), "?")
    whose = "" if tid == pid else f" of process {pid}"
    for line in (
        f"thread {tid} ({name}){whose}; |{'-' * _BAR}| is {Duration(max(last - first, 0))}",
        f" {'AT':>9} {'GAP':>7} {'TOOK':>7} |{'':{_BAR}}| CALL",
    ):
        yield paint("", line) if paint else line
    is_past = event_id is not None
    for row in held:
        if not is_past and row["offset_ns"] > 0:
            yield f" {'0':>9} {'-' * 30}"
            is_past = True
        yield from _row(row, row["kind"] == "call" and row["event_id"] == event_id, (first, last), width, most, paint)


def _row(
    row: Record,
    is_marked: bool,
    limits: tuple[int, int],
    width: int | None,
    most: int | None,
    paint: Painter | None,
) -> Iterator[str]:
    is_call = row["kind"] == "call"
    gap = "" if row["gap_ns"] is None else str(Duration(max(row["gap_ns"], 0)))
    took = "still" if row["duration_ns"] is None else str(Duration(row["duration_ns"]))
    start = f"{'>' if is_marked else ' '}{_signed(row['offset_ns']):>9} {gap:>7} {took if is_call else '':>7} "
    start += f"|{_bar(row, limits)}| "
    texts = [shortened(_what(row), most), *_remarks(row)]
    for number, text in enumerate(texts):
        room = None if width is None else max(width - _INDENT - 2, _NARROWEST)
        for place, part in enumerate([text] if room is None else fold(text, room)):
            before = start if not number and not place else " " * (_INDENT + 2 * bool(place or number))
            line = f"{before}{part}".rstrip()
            yield paint("ERROR", line) if paint and row["errno"] is not None and not number else line


def _what(row: Record) -> str:
    if row["kind"] == "wake":
        return f"* {shown(row['comm'])} {row['tid']}: {shown(row['what'])}"
    return shown(row["what"]) if row["kind"] == "call" else f"* {shown(row['what'])}"


def _remarks(row: Record) -> Iterator[str]:
    if row["waited_for"] is not None:
        yield f"waited for {shown(row['waited_for'])}"
    if row["woken_by"] is not None:
        yield f"ended by event:{row['woken_by']}"


def _signed(offset_ns: int) -> str:
    return "0" if offset_ns == 0 else f"{'-' if offset_ns < 0 else '+'}{Duration(abs(offset_ns))}"


def _bar(row: Record, limits: tuple[int, int]) -> str:
    first, last = limits
    scale = _BAR / max(last - first, 1)
    begin = min(int((row["offset_ns"] - first) * scale), _BAR - 1)
    if row["kind"] != "call":
        return f"{'*':>{begin + 1}}".ljust(_BAR)
    end_ns = last if row["duration_ns"] is None else row["offset_ns"] + row["duration_ns"]
    cells = max(min(round((end_ns - first) * scale), _BAR) - begin, 1)
    return (" " * begin + "=" * cells).ljust(_BAR)
