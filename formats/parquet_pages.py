"""The pages of a Parquet file, read without trusting its footer, and row groups made of them.

Each page has a header with its kind, its sizes, the number of its values and, as bpfrec writes it, a checksum of its
bytes. A row group whose pages are whole is read with a footer of its own. Layout:
https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema, parquet_writer, written_schema
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.thrift_compact import I64, Struct, read_struct, read_struct_and_size, write_struct

MAGIC = b"PAR1"
"""The first and the last bytes of a Parquet file."""

TAIL = struct.Struct("<I4s")
"""The end of a Parquet file: the length of the footer before it, and :data:`MAGIC`."""

# PageHeader: kind, sizes, checksum, and the header of each kind, which begins with the number of values.
_KIND, _UNPACKED, _PACKED, _CHECKSUM, _DATA_HEADER, _DICTIONARY_HEADER, _DATA_HEADER_2 = 1, 2, 3, 4, 5, 7, 8
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
# Arrow writes no more into a row group.
_MOST_ROWS = 1 << 20
_LARGEST_GROUP = 1 << 30
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """A page at ``start`` .. ``end`` in the file; ``unpacked``: its size with its header before compression.

    ``is_checked``: it has a checksum, which is right; one whose checksum is wrong is no page.
    """

    start: int
    end: int
    unpacked: int
    values: int
    encoding: int
    is_dictionary: bool
    is_checked: bool


@dataclass(frozen=True)
class Group:
    """A row group of ``rows`` rows: the pages of each of ``columns``."""

    columns: tuple[Column, ...]
    rows: int
    chunks: list[list[Page]]


def pages_in(file: IO[bytes], start: int, end: int) -> Iterator[Page]:
    """The pages from ``start`` on that end by ``end``, up to the first that is damaged. Disk errors come as OSError."""
    at = start
    for _ in range(_MOST_PAGES):
        if at >= end:
            return
        file.seek(at)
        try:
            header, length = read_struct_and_size(file.read(min(_LONGEST_HEADER, end - at)))
        except ValueError:
            return
        kind, unpacked, packed = (header.get(number) for number in (_KIND, _UNPACKED, _PACKED))
        told = header.get(_HEADERS.get(kind, 0)) if isinstance(kind, int) else None
        if not isinstance(unpacked, int) or not isinstance(packed, int) or not isinstance(told, Struct):
            return
        values, encoding = told.get(_VALUES), told.get(4 if kind == _DATA_2 else _ENCODING)
        until = at + length + packed
        if not isinstance(values, int) or not isinstance(encoding, int) or packed < 0 or values < 0 or until > end:
            return
        checksum = header.get(_CHECKSUM)
        if checksum is not None and checksum & 0xFFFFFFFF != _checksum(file, at + length, packed):
            return
        yield Page(at, until, length + unpacked, values, encoding, kind == _DICTIONARY, checksum is not None)
        at = until


def _checksum(file: IO[bytes], at: int, size: int) -> int:
    file.seek(at)
    found = 0
    while size and (block := file.read(min(_BLOCK, size))):
        found = zlib.crc32(block, found)
        size -= len(block)
    return found


def size_of(file: IO[bytes]) -> int:
    """The size of ``file`` in bytes."""
    return file.seek(0, os.SEEK_END)


def has_dictionary(column: Column) -> bool:
    """Whether the pages of a column begin with one of its dictionary."""
    return column.packing in ("dictionary", "codes")


def chunk_of(pages: Sequence[Page], at: int, column: Column, rows: int) -> int | None:
    """Where the pages of ``column`` that begin with number ``at`` and have ``rows`` values end; None: they do not."""
    if has_dictionary(column):
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
    return None if left or not 0 < rows <= _MOST_ROWS else at


def read_group(file: IO[bytes], table: Table, group: Group) -> pa.Table:
    """Reads a row group of ``table``: its bytes with a footer of their own.

    Raises:
        ValueError: it is larger than a row group of a trace is.
        pyarrow.ArrowException, OSError: it is damaged.
    """
    pages = [page for chunk in group.chunks for page in chunk]
    if sum(max(page.unpacked, page.end - page.start) for page in pages) > _LARGEST_GROUP:
        raise ValueError("a row group that is too large")
    content, moves, at = [MAGIC], [], len(MAGIC)
    for chunk in group.chunks:
        start, size = chunk[0].start, chunk[-1].end - chunk[0].start
        file.seek(start)
        content.append(file.read(size))
        moves.append(at - start)
        at += size
    part = Table(table.name, table.comment, group.columns)
    footer = write_struct(_footer(part, group, moves))
    texts = [c.name for c in group.columns if has_dictionary(c) and c.sql_type in ("VARCHAR", "BLOB")]
    file_of_it = io.BytesIO(b"".join((*content, footer, TAIL.pack(len(footer), MAGIC))))
    made = pq.read_table(file_of_it, read_dictionary=texts)
    made.validate(full=True)
    if sum(_expanded(made[name]) for name in texts) > _LARGEST_GROUP:
        raise ValueError("a row group whose texts are too large")
    return made


def _expanded(column: pa.ChunkedArray) -> int:
    """How many bytes the texts of a column have that is read as numbers of texts: one may stand in all rows."""
    lengths = [pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in column.chunks]
    return sum(pc.sum(pc.cast(some, pa.int64())).as_py() or 0 for some in lengths)


def _footer(part: Table, group: Group, moves: Sequence[int]) -> Struct:
    """A footer for ``group`` alone, whose chunks are moved by ``moves``: that of a file with one row, changed."""
    made = io.BytesIO()
    with parquet_writer(part, made) as writer:
        writer.write_table(pa.Table.from_pylist([{}], arrow_schema(part)).cast(written_schema(part)))
    raw = made.getvalue()
    length, _ = TAIL.unpack(raw[-TAIL.size :])
    footer = read_struct(raw[-TAIL.size - length : -TAIL.size])
    (row_group,) = footer.get(_ROW_GROUPS).values
    footer.set(_NUM_ROWS, group.rows)
    row_group.set(_ROWS, group.rows)
    row_group.set(_BYTES, sum(page.unpacked for pages in group.chunks for page in pages))
    size = sum(pages[-1].end - pages[0].start for pages in group.chunks)
    for number, value in ((_GROUP_OFFSET, len(MAGIC)), (_COMPRESSED, size)):
        if number in row_group.fields:
            row_group.set(number, value)
    row_group.fields.pop(_ORDINAL, None)
    for chunk, pages, by in zip(row_group.get(_COLUMNS).values, group.chunks, moves, strict=True):
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


def completed(made: pa.Table, table: Table) -> pa.Table:
    """``made`` with all columns of ``table`` in order, those that it lacks NULL."""
    schema = written_schema(table)
    columns = [
        made[field.name].cast(field.type) if field.name in made.column_names else pa.nulls(len(made), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
