"""Pages for people: the summary of a trace, and one row as a list of names and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from shlex import quote
from typing import Any

from bpfrec.analyze.render.data import plain
from bpfrec.analyze.render.escape import printable
from bpfrec.analyze.render.layout import GAP, fold
from bpfrec.analyze.render.table import table
from bpfrec.analyze.render.text_columns import Record, shortened

_SECTIONS = {
    "recording": "Recording",
    "findings": "What looks wrong",
    "time": "Time of its threads",
    "processes": "Processes by calls",
    "calls": "System calls by count",
    "failures": "Failures by count",
    "losses": "Missing from this trace",
}


_LONG = 60
"""Characters of a value."""
_MOST_CHARACTERS = 160
"""Of a command line or a path, on a terminal."""


def summary_page(rows: Sequence[Record], width: int | None) -> Iterator[str]:
    """The page of the report summary, section by section."""
    file = next((row["value"] for row in rows if row["name"] == "file"), "")
    for number, (section, lines) in enumerate(groupby(rows, key=lambda r: r["section"])):
        if number:
            yield ""
        yield f"{_SECTIONS[section]}:"
        if section == "findings":
            yield from _findings(lines, file, width)
            continue
        if section == "recording":
            yield from _recording(list(lines), width)
            continue
        most = None if width is None else _MOST_CHARACTERS
        cells = [(_number(r["name"]), _cut(r["value"], most), _cut(r["detail"] or "", most)) for r in lines]
        body = list(table(("", "", ""), cells, None if width is None else width - 2))[2:]
        yield from (f"  {line}" for line in body)


def _recording(rows: Sequence[Record], width: int | None) -> Iterator[str]:
    """A line for each fact: its name, value and detail. Long values come last and below them their detail, for they
    would push the details of all others to the right.
    """
    most = None if width is None else _MOST_CHARACTERS
    names = max(len(row["name"]) for row in rows)
    long = [row for row in rows if len(row["value"] or "") > _LONG]
    cells = [
        (row["name"].ljust(names), _cut(row["value"], most), _cut(row["detail"] or "", most))
        for row in rows
        if row not in long
    ]
    body = list(table(("", "", ""), cells, None if width is None else width - 2))[2:] if cells else []
    yield from (f"  {line}" for line in body)
    indent = "  " + " " * names + GAP
    room = None if width is None else max(width - len(indent), _LONG)
    for row in long:
        text = printable(str(_cut(row["value"], most)))
        parts = [*([text] if room is None else fold(text, room)), printable(row["detail"] or "")]
        yield from (
            (f"  {row['name'].ljust(names)}{GAP}" if not place else indent) + part.rstrip()
            for place, part in enumerate(parts)
            if part
        )


def _findings(rows: Iterable[Record], file: str, width: int | None) -> Iterator[str]:
    """Two or more lines for each finding: what it is and its evidence, and the command that shows more."""
    room = None if width is None else width - 2
    for row in rows:
        evidence = _cut(row["detail"], None if width is None else _MOST_CHARACTERS)
        text = printable(f"{row['name']} {row['value']}: {evidence}")
        for number, part in enumerate([text] if room is None else fold(text, room - 2)):
            yield f"  {'  ' if number else ''}{part}".rstrip()
        yield f"      {row['command']} {quote(printable(file))}"


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
