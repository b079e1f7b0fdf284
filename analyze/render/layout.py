"""How the cells of a table become lines: widths, folding, and what to do with a table that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from unicodedata import combining, east_asian_width

Painter = Callable[[str, str], str]
"""Adds colours to the text of a cell in the column of that name; '' is the header."""

BREAK = "\x0b"
"""Stands for the end of a line in a cell; no other character in one is a control character."""
GAP = "  "
_INDENT = "      "
_NARROWEST = 8
_READABLE = 20
"""Texts are folded to no less in a table of many columns."""
_FEW_COLUMNS = 4


class Layout:
    """How the cells of a table become lines."""

    def __init__(self, header: Sequence[str], right: Sequence[bool], paint: Painter) -> None:
        self._header = header
        self._right = right
        self._paint = paint

    def rows(self, rows: Iterable[list[str]], widths: list[int], width: int | None) -> Iterator[str]:
        """Header, rule and rows within ``width``; ``widths`` are what the columns need."""
        fitted = fit(widths, self._right, width)
        if fitted:
            yield from self.head(fitted)
            for cells in rows:
                yield from self.lines(cells, fitted)
        elif width is not None and total(widths[:-1]) <= width and not self._right[-1]:
            yield from self.head(widths[:-1], spilled=True)
            for cells in rows:
                yield from self.lines(cells[:-1], widths[:-1])
                if cells[-1] not in ("", "-"):
                    yield from self.below(cells[-1], width)
        else:
            for number, cells in enumerate(rows, 1):
                yield from self.record(number, cells, width or 0)

    def head(self, widths: list[int], spilled: bool = False) -> Iterator[str]:
        """The header and its rule; ``spilled``: the last column stands below the others."""
        shown = list(self._header[: len(widths)])
        yield from self._rows(shown, widths, lambda _, text: self._paint("", text))
        if spilled:
            yield self._paint("", _INDENT + self._header[-1])
        yield GAP.join("-" * w for w in widths)

    def lines(self, cells: list[str], widths: list[int]) -> Iterator[str]:
        """One row."""
        yield from self._rows(cells, widths, self._paint)

    def below(self, cell: str, width: int) -> Iterator[str]:
        """The last cell of a row on lines of its own."""
        parts = [part for line in cell.split(BREAK) for part in fold(line, max(width - len(_INDENT), _NARROWEST))]
        yield from (self._paint(self._header[-1], f"{_INDENT}{part}".rstrip()) for part in parts)

    def record(self, number: int, cells: list[str], width: int) -> Iterator[str]:
        """One row, a line for each column."""
        names = max(map(text_width, self._header))
        yield self._paint("", f"-- {number} ".ljust(min(width, names + 12), "-"))
        for name, cell in zip(self._header, cells, strict=True):
            room = max(width - names - len(GAP), _NARROWEST)
            parts = [part for line in cell.split(BREAK) for part in fold(line, room)]
            for place, part in enumerate(parts):
                label = "" if place else name
                label += " " * (names - text_width(label))
                yield f"{label}{GAP}{self._paint(name, part.rstrip())}".rstrip()

    def _rows(self, cells: list[str], widths: list[int], paint: Painter) -> Iterator[str]:
        right = self._right
        if all(c.isascii() and len(c) <= w and BREAK not in c for c, w in zip(cells, widths, strict=True)):
            padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=False)]
            yield self._joined(padded, paint)
            return
        folded = [
            [part for line in cell.split(BREAK) for part in fold(line, width)]
            for cell, width in zip(cells, widths, strict=True)
        ]
        for parts in zip_longest(*folded, fillvalue=""):
            padded = []
            for part, width, on_right in zip(parts, widths, right, strict=False):
                padded.append(pad(part, width=width, on_right=on_right))
            yield self._joined(padded, paint)

    def _joined(self, padded: list[str], paint: Painter) -> str:
        # Blanks at the end of a line are of no use.
        while padded and not padded[-1].strip():
            padded.pop()
        if padded:
            padded[-1] = padded[-1].rstrip()
        return GAP.join(paint(name, text) for name, text in zip(self._header, padded, strict=False))


def unpainted(_: str, text: str) -> str:
    """No colours."""
    return text


def pad(cell: str, *, width: int, on_right: bool) -> str:
    """``cell`` filled up with blanks to ``width`` character cells."""
    blank = " " * (width - text_width(cell))
    return blank + cell if on_right else cell + blank


def text_width(text: str) -> int:
    """Character cells that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_char_width(c) for c in text)


def _char_width(char: str) -> int:
    if combining(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1


def total(widths: Sequence[int]) -> int:
    """Character cells that a line takes."""
    return sum(widths) + len(GAP) * (len(widths) - 1)


def fit(widths: list[int], right: Sequence[bool], width: int | None) -> list[int] | None:
    """The widths of columns in a table of ``width``; None if its texts would be too narrow to be read."""
    if width is None or not widths or total(widths) <= width:
        return widths
    # Numbers and short texts stay whole.
    least = [w if number else min(w, _READABLE) for w, number in zip(widths, right, strict=True)]
    if total(least) > width:
        if len(widths) > _FEW_COLUMNS:
            return None
        least = [min(w, _NARROWEST) for w in widths]
    room = width - len(GAP) * (len(widths) - 1)
    # What is wider than the table need not be tried.
    cap = min(max(widths), max(width, _NARROWEST))
    while cap > _NARROWEST and sum(max(min(w, cap), low) for w, low in zip(widths, least, strict=True)) > room:
        cap -= 1
    fitted = [max(min(w, cap), low) for w, low in zip(widths, least, strict=True)]
    for i, wanted in enumerate(widths):
        spare = room - sum(fitted)
        if spare > 0 and fitted[i] < wanted:
            fitted[i] += min(spare, wanted - fitted[i])
    return fitted


def fold(text: str, width: int) -> list[str]:
    """``text`` in parts of at most ``width`` character cells, where there is one behind a space."""
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
