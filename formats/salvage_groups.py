"""The rows of a table some of whose bytes were damaged: the row groups that are whole, by the checksums of their pages.

The footer says where the column chunks of each row group are. It may be what is damaged, so nothing else in it is
believed, and every page must have a checksum that is right. Tables of older versions have none, and are lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import pyarrow as pa

from bpfrec.formats.arrow import parquet_writer
from bpfrec.formats.columns import Table
from bpfrec.formats.parquet_pages import MAGIC, TAIL, Group, Page, chunk_of, completed, pages_in, read_group
from bpfrec.formats.salvage_rows import rows_before_cut
from bpfrec.formats.thrift_compact import Sequence, Struct, read_struct

# FileMetaData, SchemaElement, RowGroup, ColumnChunk, ColumnMetaData.
_SCHEMA, _NAME, _ROW_GROUPS, _COLUMNS, _ROWS, _META = 2, 4, 4, 1, 3, 3
_PATH, _PACKED, _DATA_OFFSET, _DICTIONARY_OFFSET = 3, 7, 9, 11
_LARGEST_FOOTER = 64 << 20


@dataclass(frozen=True)
class WholeGroups:
    """What was saved of a table: ``rows``, and how many row groups of it are ``lost``; None: nobody knows."""

    rows: int
    lost: int | None


def whole_row_groups(file: IO[bytes], start: int, size: int, table: Table, target: IO[bytes]) -> WholeGroups:
    """Writes the row groups of ``table`` that are whole to ``target``, as a Parquet file.

    The damaged file is the ``size`` bytes of ``file`` from ``start`` on. Disk errors come as OSError.
    """
    footer = _footer(file, start, size)
    groups, names = _structs(footer, _ROW_GROUPS), [entry.get(_NAME) for entry in _structs(footer, _SCHEMA)[1:]]
    if not groups:
        return WholeGroups(rows_before_cut(file, start, table, target, start + size, checked=True), None)
    rows = lost = 0
    # Chunks do not overlap: what a footer says beyond that would only cost time.
    left = size
    with parquet_writer(table, target) as writer:
        for entry in groups:
            made = None
            with suppress(pa.ArrowException, OSError, ValueError):
                chunks = list(_chunks(entry, table, names))
                left -= sum(length for _, _, length in chunks)
                if left < 0:
                    return WholeGroups(rows, None)
                made = _read(file, start, size, table, entry, chunks)
            if made is None:
                lost += 1
                continue
            writer.write_table(made)
            rows += made.num_rows
    return WholeGroups(rows, lost)


def _footer(file: IO[bytes], start: int, size: int) -> Struct:
    """The footer; an empty one where it cannot be read."""
    if size < len(MAGIC) + TAIL.size:
        return Struct()
    file.seek(start + size - TAIL.size)
    length, magic = TAIL.unpack(file.read(TAIL.size))
    if magic != MAGIC or length > min(_LARGEST_FOOTER, size - len(MAGIC) - TAIL.size):
        return Struct()
    file.seek(start + size - TAIL.size - length)
    with suppress(ValueError):
        return read_struct(file.read(length))
    return Struct()


def _structs(whole: Struct, number: int) -> list[Struct]:
    """The list of structs that is the field ``number``; empty where it is something else."""
    listed = whole.get(number)
    is_one = isinstance(listed, Sequence) and all(isinstance(entry, Struct) for entry in listed.values)
    return listed.values if is_one else []


def _chunks(entry: Struct, table: Table, names: list[object]) -> Iterator[tuple[int, int, int]]:
    """The column chunks of a row group: the number of the column, where the chunk begins, how many bytes it has.

    ``names``: of the columns of the file.

    Raises:
        ValueError: it is no row group of ``table``, or not all of one.
    """
    columns = {column.name.encode(): number for number, column in enumerate(table.columns)}
    listed = _structs(entry, _COLUMNS)
    if len(listed) != len(names):
        raise ValueError("a row group without all columns")
    for chunk, name in zip(listed, names, strict=True):
        meta = chunk.get(_META)
        path = meta.get(_PATH) if isinstance(meta, Struct) else None
        if not isinstance(meta, Struct) or not isinstance(path, Sequence) or path.values != [name]:
            raise ValueError("a column without a place")
        number = columns.pop(name, None) if isinstance(name, bytes) else None
        packed, data, dictionary = (meta.get(field, 0) for field in (_PACKED, _DATA_OFFSET, _DICTIONARY_OFFSET))
        if number is None or not all(isinstance(one, int) and one >= 0 for one in (packed, data, dictionary)):
            raise ValueError("a column that the table does not have")
        yield number, min(dictionary or data, data), packed


def _read(
    file: IO[bytes], start: int, size: int, table: Table, entry: Struct, chunks: list[tuple[int, int, int]]
) -> pa.Table:
    """Reads a row group all of whose pages are whole.

    Raises:
        ValueError, pyarrow.ArrowException, OSError: they are not.
    """
    rows = entry.get(_ROWS)
    if not isinstance(rows, int) or not chunks:
        raise ValueError("a row group without rows")
    found: list[list[Page]] = []
    for number, begin, length in chunks:
        if begin < len(MAGIC) or begin + length > size:
            raise ValueError("a column that is elsewhere")
        pages = list(pages_in(file, start + begin, start + begin + length))
        end = chunk_of(pages, 0, table.columns[number], rows)
        whole = end == len(pages) and pages[-1].end == start + begin + length
        if not whole or not all(page.is_checked for page in pages):
            raise ValueError("a damaged page")
        found.append(pages)
    columns = tuple(table.columns[number] for number, _, _ in chunks)
    return completed(read_group(file, table, Group(columns, rows, found)), table)
