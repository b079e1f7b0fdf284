"""Rows as a table of Markdown, compact: for documents, and for programs that read text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.render.data import plain
from bpfrec.analyze.render.escape import printable


@dataclass(frozen=True)
class Bounds:
    """How much of an answer is shown: at most so many rows, bytes, and characters of a cell."""

    rows: int
    size: int
    cell: int


def markdown_rows(
    columns: Sequence[str],
    types: Sequence[str],
    rows: Iterable[Sequence[Any]],
    bounds: Bounds | None = None,
    advice: str = "",
) -> Iterator[str]:
    """The lines of a table; NULL is an empty cell.

    With ``bounds`` columns have their types, and below the table stands how many rows there are, and if not all of
    them are shown, ``advice``.
    """
    typed = bounds is not None
    names = [f"{name}:{kind}" if typed else name for name, kind in zip(columns, types, strict=True)]
    head = "| " + " | ".join(map(_escaped, names)) + " |"
    yield head
    yield "|" + "---|" * len(names)
    size, total, shown, is_full = len(head), 0, 0, False
    for row in rows:
        total += 1
        if is_full:
            continue
        line = "| " + " | ".join(_cell(value, bounds) for value in row) + " |"
        size += len(line.encode()) + 1
        is_full = bounds is not None and (total > bounds.rows or size > bounds.size)
        if not is_full:
            shown += 1
            yield line
    if bounds is not None:
        yield ""
        extent = f"{total} row{'s' if total != 1 else ''}"
        yield f"{shown} of {extent} are shown. {advice}".rstrip() if shown < total else extent


def _cell(value: Any, bounds: Bounds | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else str(plain(value))
    if bounds is not None and len(text) > bounds.cell:
        text = f"{text[: bounds.cell]} ... (+{len(text) - bounds.cell} characters)"
    return _escaped(text)


def _escaped(text: str) -> str:
    safe = "<br>".join(map(printable, text.split("\n")))
    return safe.replace("\\", "\\\\").replace("|", "\\|") if "|" in safe else safe
