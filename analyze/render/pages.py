"""Pages for people: the summary of a trace, and one row as a list of names and values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from bpfrec.analyze.render.data import plain
from bpfrec.analyze.render.table import table
from bpfrec.analyze.render.text_columns import Record, shortened

_SECTIONS = {
    "recording": "Recording",
    "processes": "Processes by calls",
    "calls": "System calls by count",
    "failures": "Failures by count",
    "losses": "Missing from this trace",
}


_MOST_CHARACTERS = 160
"""Of a command line or a path, on a terminal."""


def summary_page(rows: Sequence[Record], width: int | None) -> Iterator[str]:
    """The page of the report summary, section by section."""
    for number, (section, lines) in enumerate(groupby(rows, key=lambda r: r["section"])):
        if number:
            yield ""
        yield f"{_SECTIONS[section]}:"
        most = None if width is None else _MOST_CHARACTERS
        cells = [(_number(r["name"]), _cut(r["value"], most), _cut(r["detail"] or "", most)) for r in lines]
        body = list(table(("", "", ""), cells, None if width is None else width - 2))[2:]
        yield from (f"  {line}" for line in body)


def name_value_lines(row: Record, width: int | None) -> Iterator[str]:
    """A line for every column of ``row``: its name and value."""
    cells = []
    for name, value in row.items():
        shown = plain(value)
        if isinstance(shown, dict):
            shown = ", ".join(f"{key} {number}" for key, number in shown.items())
        cells.append((name, "-" if shown is None else str(shown)))
    return iter(list(table(("", ""), cells, width))[2:])


def _cut(text: str | None, most: int | None) -> Any:
    number = _number(text)
    return shortened(number, most) if isinstance(number, str) else number


def _number(text: str | None) -> Any:
    if text is None:
        return "-"
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text
