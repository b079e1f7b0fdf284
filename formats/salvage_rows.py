"""The rows of a table whose file was cut short: the row groups before the cut, found without the footer.

A Parquet file says in its footer where its row groups are, and the footer is its end. But each page has a header with
its kind and the number of its values, and bpfrec always writes columns in the order of the table. So the pages before
the cut can be told apart: a row group is a run of pages in which each column has the same number of values. Layout:
https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema, parquet_writer, written_schema
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.schema import SYSCALLS
from bpfrec.formats.thrift_compact import I64, Struct, read_struct, read_struct_and_size, write_struct

_MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
_LATE = frozenset(("comm", "stack_id", "stack_status"))
"""The columns of ``syscalls`` that are written behind the row groups of all others: see docs/architecture.md."""

# PageHeader: kind, sizes, and the header of each kind, which begins with the number of values.
_KIND, _UNPACKED, _PACKED, _DATA_HEADER, _DICTIONARY_HEADER, _DATA_HEADER_2 = 1, 2, 3, 5, 7, 8
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_HEADERS = {_DATA: _DATA_HEADER, _DICTIONARY: _DICTIONARY_HEADER, _DATA_2: _DATA_HEADER_2}
_VALUES, _ENCODING = 1, 2
_ENCODINGS = {"delta": {5}, "dictionary": {0, 2, 8}, "codes": {0, 2, 8}}
# FileMetaData, RowGroup, ColumnChunk, ColumnMetaData.
_NUM_ROWS, _ROW_GROUPS = 3, 4
_COLUMNS, _BYTES, _ROWS, _GROUP_OFFSET, _COMPRESSED, _ORDINAL = 1, 2, 3, 5, 6, 7
_CHUNK_OFFSET, _META, _INDEXES = 2, 3, (4, 5, 6, 7)
_NUM_VALUES, _TOTAL_UNPACKED, _TOTAL_PACKED, _DATA_OFFSET, _DICTIONARY_OFFSET = 5, 6, 7, 9, 11
_TOLD_BY_VALUES = (12, 13, 14, 15, 16)

_LONGEST_HEADER = 1 << 16
_MOST_PAGES = 1 << 20
_MOST_PAGES_OF_ONE = 1 << 10
_LARGEST_GROUP = 1 << 30


@dataclass(frozen=True, slots=True)
class _Page:
    """A page at ``start`` .. ``end`` in the file; ``unpacked``: its size with its header before compression."""

    start: int
    end: int
    unpacked: int
    values: int
    encoding: int
    is_dictionary: bool


@dataclass(frozen=True)
class _Group:
    """A row group of ``rows`` rows: the pages of each of ``columns``."""

    columns: tuple[Column, ...]
    rows: int
    chunks: list[list[_Page]]


def rows_before_cut(file: IO[bytes], start: int, table: Table, target: IO[bytes]) -> int:
    """Writes the rows of ``table`` that stand whole in ``file`` from ``start`` on to ``target``, as a Parquet file.

    Columns that are not there are NULL. Returns how many rows there are. Disk errors come as OSError.
    """
    pages = list(_pages(file, start))
    rows = 0
    with parquet_writer(table, target) as writer:
        for group, beside in _pairs(_groups(pages, table)):
            with suppress(pa.ArrowException, OSError, ValueError):
                made = _read(file, table, group)
                if beside is not None:
                    late = _read(file, table, beside)
                    for name in late.column_names:
                        made = made.append_column(name, late[name])
                whole = _completed(made, table)
                writer.write_table(whole)
                rows += whole.num_rows
                continue
            break
    return rows


def _pages(file: IO[bytes], start: int) -> Iterator[_Page]:
    """The pages of a Parquet file from ``start`` on that end within ``file``."""
    size = file.seek(0, os.SEEK_END)
    file.seek(start)
    if file.read(len(_MAGIC)) != _MAGIC:
        return
    at = start + len(_MAGIC)
    for _ in range(_MOST_PAGES):
        file.seek(at)
        try:
            header, length = read_struct_and_size(file.read(_LONGEST_HEADER))
        except ValueError:
            return
        kind, unpacked, packed = (header.get(number) for number in (_KIND, _UNPACKED, _PACKED))
        told = header.get(_HEADERS.get(kind, 0)) if isinstance(kind, int) else None
        if not isinstance(unpacked, int) or not isinstance(packed, int) or not isinstance(told, Struct):
            return
        values, encoding = told.get(_VALUES), told.get(4 if kind == _DATA_2 else _ENCODING)
        end = at + length + packed
        if not isinstance(values, int) or not isinstance(encoding, int) or packed < 0 or values < 0 or end > size:
            return
        yield _Page(at, end, length + unpacked, values, encoding, kind == _DICTIONARY)
        at = end


def _groups(pages: Sequence[_Page], table: Table) -> Iterator[_Group]:
    """The row groups that ``pages`` are, as far as they make whole ones."""
    layouts = [table.columns]
    if table is SYSCALLS:
        early = tuple(c for c in table.columns if c.name not in _LATE)
        layouts += [early, tuple(c for c in table.columns if c.name in _LATE)]
    at = 0
    while at < len(pages):
        found = next((group for columns in layouts if (group := _group(pages, at, columns)) is not None), None)
        if found is None:
            return
        yield found
        at += sum(map(len, found.chunks))
        # The next one is most likely of the same kind.
        layouts.sort(key=lambda columns: columns is not found.columns)


def _group(pages: Sequence[_Page], at: int, columns: tuple[Column, ...]) -> _Group | None:
    """The row group of ``columns`` that begins with page ``at``; None: there is none that is whole.

    How many rows it has is not known before: as many as the first pages have values, such that all columns fit.
    """
    rows = 0
    first = at + _has_dictionary(columns[0])
    for end in range(first + 1, min(len(pages), first + _MOST_PAGES_OF_ONE) + 1):
        rows += pages[end - 1].values
        chunks = _chunks(pages, at, columns, rows)
        if chunks is not None:
            return _Group(columns, rows, chunks)
    return None


def _chunks(pages: Sequence[_Page], at: int, columns: Sequence[Column], rows: int) -> list[list[_Page]] | None:
    """The pages of each column, from page ``at`` on, where each has ``rows`` values; None: that is not so."""
    chunks: list[list[_Page]] = []
    for column in columns:
        begin = at
        if _has_dictionary(column):
            if at >= len(pages) or not pages[at].is_dictionary:
                return None
            at += 1
        left = rows
        while left > 0 and at < len(pages):
            page = pages[at]
            if page.is_dictionary or page.encoding not in _ENCODINGS.get(column.packing, {0, 3}):
                return None
            left -= page.values
            at += 1
        if left or rows <= 0:
            return None
        chunks.append(list(pages[begin:at]))
    return chunks


def _has_dictionary(column: Column) -> bool:
    return column.packing in ("dictionary", "codes")


def _pairs(groups: Iterator[_Group]) -> Iterator[tuple[_Group, _Group | None]]:
    """Each row group with that of the columns that were written behind all others, as far as that is there."""
    waiting: list[_Group] = []
    for group in groups:
        if {column.name for column in group.columns} == _LATE:
            if not waiting or waiting[0].rows != group.rows:
                break
            yield waiting.pop(0), group
        elif len(group.columns) + len(_LATE) == len(SYSCALLS.columns):
            waiting.append(group)
        else:
            yield from ((one, None) for one in waiting)
            waiting = []
            yield group, None
    yield from ((one, None) for one in waiting)


def _read(file: IO[bytes], table: Table, group: _Group) -> pa.Table:
    """Reads a row group: its bytes with a footer of their own."""
    start, end = group.chunks[0][0].start, group.chunks[-1][-1].end
    if end - start > _LARGEST_GROUP:
        raise ValueError("a row group that is too large")
    file.seek(start)
    content = file.read(end - start)
    part = Table(table.name, table.comment, group.columns)
    footer = write_struct(_footer(part, group, len(_MAGIC) - start, end - start))
    whole = b"".join((_MAGIC, content, footer, _TAIL.pack(len(footer), _MAGIC)))
    made = pq.read_table(io.BytesIO(whole))
    made.validate(full=True)
    return made


def _footer(part: Table, group: _Group, by: int, size: int) -> Struct:
    """A footer for ``group`` alone, whose pages are moved ``by`` bytes: that of a file with one row, changed."""
    made = io.BytesIO()
    with parquet_writer(part, made) as writer:
        writer.write_table(pa.Table.from_pylist([{}], arrow_schema(part)).cast(written_schema(part)))
    raw = made.getvalue()
    length, _ = _TAIL.unpack(raw[-_TAIL.size :])
    footer = read_struct(raw[-_TAIL.size - length : -_TAIL.size])
    (row_group,) = footer.get(_ROW_GROUPS).values
    footer.set(_NUM_ROWS, group.rows)
    row_group.set(_ROWS, group.rows)
    row_group.set(_BYTES, sum(page.unpacked for pages in group.chunks for page in pages))
    for number, value in ((_GROUP_OFFSET, len(_MAGIC)), (_COMPRESSED, size)):
        if number in row_group.fields:
            row_group.set(number, value)
    row_group.fields.pop(_ORDINAL, None)
    for chunk, pages in zip(row_group.get(_COLUMNS).values, group.chunks, strict=True):
        for number in _INDEXES:
            chunk.fields.pop(number, None)
        chunk.set(_CHUNK_OFFSET, 0)
        meta = chunk.get(_META)
        for number in (*_TOLD_BY_VALUES, _DICTIONARY_OFFSET):
            meta.fields.pop(number, None)
        meta.set(_NUM_VALUES, group.rows)
        meta.set(_TOTAL_UNPACKED, sum(page.unpacked for page in pages))
        meta.set(_TOTAL_PACKED, pages[-1].end - pages[0].start)
        data = next(page for page in pages if not page.is_dictionary)
        meta.set(_DATA_OFFSET, data.start + by)
        if pages[0].is_dictionary:
            meta.fields[_DICTIONARY_OFFSET] = (I64, pages[0].start + by)
    return footer


def _completed(made: pa.Table, table: Table) -> pa.Table:
    """``made`` with all columns of ``table`` in order, those that it lacks NULL."""
    schema = written_schema(table)
    columns = [
        made[field.name].cast(field.type) if field.name in made.column_names else pa.nulls(len(made), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
