"""Rows for programs: JSON, JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from bpfrec.analyze.render.columns import joined, texts
from bpfrec.analyze.render.escape import json_text, printable

if TYPE_CHECKING:
    import pyarrow as pa

_CRLF = "\r\n"
_SPECIAL = re.compile('[",\r\n]')
_SIMPLE = {int, str, type(None)}
"""What JSON writes as it is, and most rows have nothing else."""


def json_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], batches: Iterable[pa.RecordBatch] = ()
) -> Iterator[str]:
    """Lines of one JSON array of objects, an object a line, keyed by the SQL column names.

    A name that occurs again gets ``_1``, ``_2`` ... behind it. Times are ISO 8601 text; infinite and undefined
    numbers, which JSON lacks, are null. ``batches``: rows behind ``rows``, of types that :func:`.are_known`.
    """
    names = distinct(columns)
    encode = json.JSONEncoder(ensure_ascii=False).encode
    held = None
    yield "["
    for row in rows:
        if held is not None:
            yield held + ","
        values = row if _SIMPLE.issuperset(map(type, row)) else map(plain, row)
        held = json_text(encode(dict(zip(names, values, strict=True))))
    for batch in batches:
        if held is not None:
            yield held + ","
        held = ",\n".join(_objects(names, batch))
    if held is not None:
        yield held
    yield "]"


def json_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], batches: Iterable[pa.RecordBatch] = ()
) -> Iterator[str]:
    """An object of JSON for each row, a line each, with the names and values of :func:`json_rows`."""
    names = distinct(columns)
    encode = json.JSONEncoder(ensure_ascii=False).encode
    for row in rows:
        values = row if _SIMPLE.issuperset(map(type, row)) else map(plain, row)
        yield json_text(encode(dict(zip(names, values, strict=True))))
    for batch in batches:
        yield "\n".join(_objects(names, batch))


def csv_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    escape: bool = False,
    batches: Iterable[pa.RecordBatch] = (),
) -> Iterator[str]:
    r"""Records of CSV, header first; NULL is an empty field. ``escape`` shows control characters as ``\xNN``.

    A text that a spreadsheet would take for a formula begins with ``'``. ``batches``: rows behind ``rows``, of types
    that :func:`.are_known`.
    """
    text = io.StringIO()
    # The writer quotes a value that has a character of its line terminator.
    writer = csv.writer(text, lineterminator=_CRLF)
    for row in chain([columns], rows):
        writer.writerow([_field(value, escape) for value in row])
        yield text.getvalue().removesuffix(_CRLF)
        text.seek(0)
        text.truncate()
    for batch in batches:
        yield "\n".join(_records(batch, escape))


def _objects(names: Sequence[str], batch: pa.RecordBatch) -> list[str]:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    parts: list[pa.Array | str] = []
    for name, column in zip(names, batch.columns, strict=True):
        before = ", " if parts else "{"
        parts += [f"{before}{json_text(encode(name))}: ", texts(column, lambda v: json_text(encode(plain(v))))]
    lines: list[str] = joined([*parts, "}"], "null").to_pylist()
    return lines


def _records(batch: pa.RecordBatch, escape: bool) -> list[str]:
    parts: list[pa.Array | str] = []
    for column in batch.columns:
        parts += [*([","] if parts else []), texts(column, lambda value: _quoted(str(_field(value, escape))))]
    lines: list[str] = joined(parts, "").to_pylist()
    # A line without anything would be no row.
    return lines if batch.num_columns > 1 else [line or '""' for line in lines]


def _quoted(field: str) -> str:
    return '"' + field.replace('"', '""') + '"' if _SPECIAL.search(field) else field


def zoned(types: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """``rows`` whose times without a zone end in Z: all times of a trace are UTC. ``types`` are DuckDB's."""
    times = [place for place, kind in enumerate(types) if kind.startswith("TIMESTAMP") and "ZONE" not in kind]
    return (_with_zone(row, times) for row in rows) if times else rows


def zoned_batches(types: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    """The same for columns, in which times are texts."""
    times = [place for place, kind in enumerate(types) if kind.startswith("TIMESTAMP") and "ZONE" not in kind]
    return (_with_zones(batch, times) for batch in batches) if times else batches


def _with_zones(batch: pa.RecordBatch, times: list[int]) -> pa.RecordBatch:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    columns = list(batch.columns)
    for place in times:
        columns[place] = pc.binary_join_element_wise(columns[place], "Z", "")
    return pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def _with_zone(row: Sequence[Any], times: list[int]) -> list[Any]:
    values = list(row)
    for place in times:
        if values[place] is not None:
            values[place] = f"{plain(values[place])}Z"
    return values


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
    if isinstance(value, str):
        value = f"'{value}" if _is_formula(value) else value
        return printable(value) if escape else value
    if value is None or isinstance(value, float | Decimal) or type(value) is int:
        return value
    value = plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return printable(value) if escape and isinstance(value, str) else value


def _is_formula(text: str) -> bool:
    """Whether a spreadsheet could run ``text``. An option (-c) or a number is none: it calls and refers to nothing."""
    first = text[:1]
    return first in ("=", "@", "\t", "\r") or (first in ("+", "-") and any(c in text for c in "(|!"))


def distinct(columns: Sequence[str]) -> list[str]:
    """``columns``, where a name that occurs again gets ``_1``, ``_2`` ... behind it."""
    names: list[str] = []
    for column in columns:
        name, n = column, 0
        while name in names:
            n += 1
            name = f"{column}_{n}"
        names.append(name)
    return names
