"""Rows for programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from bpfrec.analyze.render.escape import json_text, printable

_SIMPLE = {int, str, type(None)}
"""What JSON and CSV write as it is, and most rows have nothing else."""


def json_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Lines of one JSON array of objects, an object a line, keyed by the SQL column names.

    A name that occurs again gets ``_1``, ``_2`` ... behind it. Times are ISO 8601 text; infinite and undefined
    numbers, which JSON lacks, are null.
    """
    names = _distinct(columns)
    encode = json.JSONEncoder(ensure_ascii=False).encode
    held = None
    yield "["
    for row in rows:
        if held is not None:
            yield held + ","
        values = row if _SIMPLE.issuperset(map(type, row)) else map(plain, row)
        held = json_text(encode(dict(zip(names, values, strict=True))))
    if held is not None:
        yield held
    yield "]"


def csv_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], escape: bool = False) -> Iterator[str]:
    r"""Lines of CSV, header first; NULL is an empty field. ``escape`` shows control characters as ``\xNN``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    for row in chain([columns], rows):
        simple = not escape and _SIMPLE.issuperset(map(type, row))
        writer.writerow(row if simple else [_field(value, escape) for value in row])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def plain(value: Any) -> Any:
    """``value`` of a row in terms of JSON: None, bool, int, float, str, list, dict."""
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            number = float(value)
            return number if math.isfinite(number) else None
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case bytes():
            return value.decode("utf-8", "backslashreplace")
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _field(value: Any, escape: bool) -> Any:
    if isinstance(value, float | Decimal):
        return value
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return printable(value) if escape and isinstance(value, str) else value


def _distinct(columns: Sequence[str]) -> list[str]:
    names: list[str] = []
    for column in columns:
        name, n = column, 0
        while name in names:
            n += 1
            name = f"{column}_{n}"
        names.append(name)
    return names
