"""The tree of processes as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bpfrec.analyze.render.layout import Painter
from bpfrec.analyze.render.table import table
from bpfrec.analyze.render.text_columns import BLANK, Record, shortened

_FIRST_LAST = ("FIRST", "LAST")


def process_tree(
    rows: Iterable[Record], width: int | None, calls: bool, most: int | None = None, paint: Painter | None = None
) -> Iterator[str]:
    """The lines of a table of processes, children indented below their parents.

    ``rows`` are those of the report processes; ``calls`` adds their first and last calls. A process that executed
    several programs has a line for each, the others below the first. ``most``: how many characters of a command line
    are shown, None for all.
    """
    columns = ("PID", "START", "SECONDS", "THREADS", "CALLS", "FAILED", *_FIRST_LAST[: 2 * calls], "END", "COMMAND")
    return table(columns, (cells for r in rows for cells in _process(r, calls, most)), width, paint=paint)


def _process(r: Record, calls: bool, most: int | None) -> Iterator[tuple[object, ...]]:
    indent = "  " * (r["depth"] or 0)
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
        indent + shortened((others and _program(first)) or r["cmdline"] or r["exe"] or r["comm"] or "?", most),
    )
    for program in others:
        blank = [""] * (2 * calls + 1)
        start = "-" if program["start_s"] is None else f"{program['start_s']:.3f}"
        yield (BLANK, start, "", *[BLANK] * 3, *blank, f"{indent}exec {shortened(_program(program), most)}")


def _program(executed: Mapping[str, Any]) -> str:
    return str(executed["argv"] or executed["path"] or "?")


def _end(row: Record) -> str:
    if row["signal"] is not None:
        return f"signal {row['signal']}"
    return "-" if row["exit_code"] is None else str(row["exit_code"])
