"""The one table printer.

rich's tables take a second per thousand rows; an answer can have a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any
from unicodedata import combining, east_asian_width

from bpfrec.analyze.render.escape import printable

_GAP = "  "
_NARROWEST = 8


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None) -> Iterator[str]:
    """Lines of a table: a header, a rule, the rows; numbers stand on the right.

    With a ``width`` (character cells), columns that do not fit are folded, never cut; None means as wide as it gets.
    """
    header = [printable(name) for name in columns]
    body = [[_cell(value) for value in row] for row in rows]
    right = [_is_number(i, rows) for i in range(len(columns))]
    widths = [max(map(text_width, (name, *(row[i] for row in body)))) for i, name in enumerate(header)]
    widths = _fit(widths, width)
    yield from _lines(header, widths, right)
    yield _GAP.join("-" * w for w in widths)
    for row in body:
        yield from _lines(row, widths, right)


def text_width(text: str) -> int:
    """Character cells that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(c) for c in text)


def _char_width(char: str) -> int:
    if combining(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return printable(value if isinstance(value, str) else str(value))


def _is_number(column: int, rows: Sequence[Sequence[Any]]) -> bool:
    values = [row[column] for row in rows if row[column] is not None]
    return bool(values) and not any(isinstance(v, str) or not hasattr(v, "__float__") for v in values)


def _fit(widths: list[int], width: int | None) -> list[int]:
    if width is None or not widths:
        return widths
    room = width - len(_GAP) * (len(widths) - 1)
    cap = max(widths)
    while cap > _NARROWEST and sum(min(w, cap) for w in widths) > room:
        cap -= 1
    fitted = [min(w, cap) for w in widths]
    for i, wanted in enumerate(widths):
        spare = room - sum(fitted)
        if spare > 0 and fitted[i] < wanted:
            fitted[i] += min(spare, wanted - fitted[i])
    return fitted


def _fold(text: str, width: int) -> list[str]:
    parts = []
    while text_width(text) > width:
        end = _prefix(text, width)
        space = text.rfind(" ", width // 2, end)
        end = space + 1 if space >= 0 else end
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text]


def _prefix(text: str, width: int) -> int:
    used = 0
    for i, char in enumerate(text):
        used += _char_width(char)
        if used > width:
            return max(i, 1)
    return len(text)


def _lines(cells: list[str], widths: list[int], right: list[bool]) -> Iterator[str]:
    folded = [_fold(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        padded = []
        for part, width, on_right in zip(parts, widths, right, strict=True):
            blank = " " * (width - text_width(part))
            padded.append(blank + part if on_right else part + blank)
        yield _GAP.join(padded).rstrip()
