"""The first rows of a result as text and as HTML: what an interpreter or a notebook shows of it.

Names in a trace can come from a stranger, so what a terminal or a browser could obey is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice
from typing import Any

ROWS_SHOWN = 20
_WIDEST = 60
"""Characters of a value that are shown."""


def text_preview(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The first rows as a table in plain text, under the names of the columns."""
    lines = [list(map(shown, row)) for row in (columns, *islice(rows, ROWS_SHOWN))]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def html_preview(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The first rows as an HTML table."""
    head = "".join(f"<th>{escape(shown(name))}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(shown(value))}</td>' for value in row)}</tr>" for row in islice(rows, ROWS_SHOWN)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def counted(number: int, one: str) -> str:
    """``number`` and what is counted: ``1 row``, ``1,234 rows``."""
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def shown(value: object) -> str:
    """One value as a line of printable text, cut if it is long."""
    if value is None:
        return "NULL"
    text = str(value)
    text = text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
    return printable(text)


def printable(text: str) -> str:
    """``text`` with escapes for what is not printable, control and bidirectional characters among it."""
    return text if text.isprintable() else repr(text)[1:-1]
