"""Calls as lines, much as ``strace -f -tt -T`` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfrec.analyze.render.bcc import shown
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import Painter
from bpfrec.analyze.render.text_columns import Record

LINE_IN_SQL = """concat(
    coalesce(strftime(ts, '%H:%M:%S.%f'), '-'),
    format(
        ' {:<7} {:<15} {}',
        coalesce(CAST(tid AS VARCHAR), '[unknown]'), coalesce(comm, '[unknown]'), coalesce(call, '[unknown]')
    ),
    CASE
        WHEN event_id IS NULL THEN ''
        WHEN duration_ns IS NULL THEN ' <unfinished>'
        ELSE format(' <{:.6f}>', duration_ns / 1e9)
    END
)"""
"""What :func:`call_lines` makes of a row, without stack, pointer and colour, and still to be made printable."""


def call_lines(rows: Iterable[Record], marked: int | None = None, paint: Painter | None = None) -> Iterator[str]:
    """A line for each of ``rows``, those of the report calls, and one for each frame of its stack.

    A row without an event_id is a signal.

    ``marked``: the event_id of a call that is pointed at. ``paint`` colours calls that failed.
    """
    for row in rows:
        pointer = "" if marked is None else "> " if row["event_id"] == marked else "  "
        clock = "-" if row["ts"] is None else row["ts"][11:26]
        took = "<unfinished>" if row["duration_ns"] is None else f"<{row['duration_ns'] / 1e9:.6f}>"
        thread = f"{shown(row['tid']):<7} {shown(row['comm']):<15}"
        call = shown(row["call"])
        if paint and row["errno"] is not None:
            call = paint("ERROR", call)
        is_signal = row["event_id"] is None
        yield f"{pointer}{clock} {thread} {call}" if is_signal else f"{pointer}{clock} {thread} {call} {took}"
        yield from (f"    > {printable(frame)}" for frame in (row.get("stack") or "").splitlines())
