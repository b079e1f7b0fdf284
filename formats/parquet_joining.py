"""Joins Parquet files without decoding them: row groups one behind the other, columns side by side, one more column.

A Parquet file is its column chunks, in any order, and a footer that says where each is. So the files are copied one
behind the other, and one footer is made of theirs. Layout: https://github.com/apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import io
import shutil
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bpfrec.formats.arrow import parquet_writer
from bpfrec.formats.columns import Table
from bpfrec.formats.thrift_compact import Sequence as ThriftList
from bpfrec.formats.thrift_compact import Struct, read_struct, write_struct

_MAGIC = b"PAR1"
_TAIL = struct.Struct("<I4s")
_COPY_BYTES = 1 << 20

# Numbers of fields: FileMetaData, RowGroup, ColumnChunk, ColumnMetaData.
_SCHEMA, _NUM_ROWS, _ROW_GROUPS, _ORDERS = 2, 3, 4, 7
_CHILDREN = 5
_COLUMNS, _BYTES, _ROWS, _GROUP_OFFSET, _COMPRESSED, _ORDINAL = 1, 2, 3, 5, 6, 7
_CHUNK_OFFSETS, _META = (2, 4, 6), 3
_META_PATH, _META_OFFSETS = 3, (9, 10, 11, 14)


class JoinedParquet:
    """The file for ``table`` that ``parts`` make together.

    Each part is a list of files with the same rows in the same row groups; together they have all columns of the table.
    ``rows``: in all of them. ``size``: of the joined file in bytes.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged, or files do not fit together.
    """

    def __init__(self, table: Table, parts: Sequence[Sequence[Path]]) -> None:
        self._copied: list[tuple[Path, int]] = []
        self._at = len(_MAGIC)
        groups: list[Struct] = []
        for files in parts:
            groups += self._side_by_side(table, [self._moved(path) for path in files])
        for group in groups:
            # It has 16 bits, and there may be more groups. Readers do without.
            group.fields.pop(_ORDINAL, None)
        footer = _empty_footer(table)
        self.rows = sum(group.get(_ROWS) for group in groups)
        footer.set(_NUM_ROWS, self.rows)
        footer.get(_ROW_GROUPS).values[:] = groups
        raw = write_struct(footer)
        self._footer = raw + _TAIL.pack(len(raw), _MAGIC)
        self.size = self._at + len(self._footer)

    def blocks(self) -> Iterator[bytes]:
        """The bytes of the joined file, some at a time."""
        yield _MAGIC
        for path, end in self._copied:
            with path.open("rb") as file:
                file.seek(len(_MAGIC))
                left = end - len(_MAGIC)
                while left and (block := file.read(min(left, _COPY_BYTES))):
                    left -= len(block)
                    yield block
                if left:
                    raise ValueError(f"{path.name} became shorter")
        yield self._footer

    def _moved(self, path: Path) -> list[Struct]:
        """The row groups of the file ``path``, with the offsets that they will have."""
        with path.open("rb") as file:
            footer, end = _footer(file, path.name)
        by = self._at - len(_MAGIC)
        self._copied.append((path, end))
        self._at += end - len(_MAGIC)
        groups: list[Struct] = footer.get(_ROW_GROUPS).values
        for group in groups:
            _move(group, (_GROUP_OFFSET,), by)
            for chunk in group.get(_COLUMNS).values:
                _move(chunk, _CHUNK_OFFSETS, by)
                _move(chunk.get(_META), _META_OFFSETS, by)
        return groups

    @staticmethod
    def _side_by_side(table: Table, files: list[list[Struct]]) -> Iterator[Struct]:
        names = [column.name.encode() for column in table.columns]
        for groups in zip(*files, strict=True):
            if len({group.get(_ROWS) for group in groups}) != 1:
                raise ValueError(f"{table.name}: files side by side have other rows")
            chunks = {
                chunk.get(_META).get(_META_PATH).values[0]: chunk
                for group in groups
                for chunk in group.get(_COLUMNS).values
            }
            if chunks.keys() != set(names):
                raise ValueError(f"{table.name}: files side by side have other columns")
            joined = groups[0]
            joined.get(_COLUMNS).values[:] = [chunks[name] for name in names]
            for number in (_BYTES, _COMPRESSED):
                if number in joined.fields:
                    joined.set(number, sum(group.get(number, 0) for group in groups))
            yield joined


def add_column(source: Path, target: Path, name: str, values: NDArray[np.int32]) -> None:
    """Copies ``source`` to ``target``, with one more column: a value for each row, in their order.

    Raises:
        OSError: one of them cannot be read or written.
        ValueError: ``source`` is damaged, or has another number of rows.
    """
    with source.open("rb") as whole:
        footer, end = _footer(whole, source.name)
        groups = _structs(footer, _ROW_GROUPS, source.name)
        rows = [_number(group, _ROWS, source.name) for group in groups]
        if min(rows, default=0) < 0 or sum(rows) != len(values):
            raise ValueError(f"{source.name} has no {len(values)} rows")
        pages = io.BytesIO(_only_column(name, values, rows))
        added, pages_end = _footer(pages, name)
        _put_beside(footer, groups, added, end - len(_MAGIC), source.name)
        raw = write_struct(footer)
        whole.seek(0)
        with target.open("wb") as file:
            shutil.copyfileobj(whole, file, _COPY_BYTES)
            file.seek(end)
            file.write(pages.getbuffer()[len(_MAGIC) : pages_end])
            file.write(raw + _TAIL.pack(len(raw), _MAGIC))
            file.truncate()


def _only_column(name: str, values: NDArray[np.int32], rows: Sequence[int]) -> bytes:
    """A Parquet file with one column, in row groups of so many ``rows``."""
    schema = pa.schema([pa.field(name, pa.int32(), nullable=False)])
    made, begin = io.BytesIO(), 0
    with pq.ParquetWriter(made, schema, compression="none", write_statistics=False) as writer:
        for count in rows:
            writer.write_table(pa.table([values[begin : begin + count]], schema=schema), max(count, 1))
            begin += count
    return made.getvalue()


def _put_beside(footer: Struct, groups: Sequence[Struct], added: Struct, by: int, name: str) -> None:
    """Adds the column that the footer ``added`` tells of, ``by`` bytes behind where it says, to another footer."""
    schema = _structs(footer, _SCHEMA, name)
    if not schema:
        raise ValueError(f"{name} is no whole Parquet file")
    schema[0].set(_CHILDREN, _number(schema[0], _CHILDREN, name) + 1)
    schema.append(added.get(_SCHEMA).values[1])
    if _ORDERS in footer.fields:
        _structs(footer, _ORDERS, name).extend(added.get(_ORDERS).values)
    for group, more in zip(groups, added.get(_ROW_GROUPS).values, strict=True):
        (chunk,) = more.get(_COLUMNS).values
        _move(chunk, _CHUNK_OFFSETS, by)
        _move(chunk.get(_META), _META_OFFSETS, by)
        _structs(group, _COLUMNS, name).append(chunk)
        for number in (_BYTES, _COMPRESSED):
            if number in group.fields:
                group.set(number, _number(group, number, name) + more.get(number, 0))


def _structs(struct: Struct, number: int, name: str) -> list[Struct]:
    """The structs of a list in a field."""
    found = struct.get(number)
    if not isinstance(found, ThriftList) or not all(isinstance(one, Struct) for one in found.values):
        raise ValueError(f"{name} is no whole Parquet file")
    structs: list[Struct] = found.values
    return structs


def _number(struct: Struct, number: int, name: str) -> int:
    """The whole number in a field."""
    found = struct.get(number)
    if not isinstance(found, int):
        raise ValueError(f"{name} is no whole Parquet file")
    return found


def _move(struct: Struct, numbers: Sequence[int], by: int) -> None:
    for number in numbers:
        # Some writers give 0 for what is not there.
        if struct.get(number):
            struct.set(number, struct.get(number) + by)


def _footer(file: BinaryIO, name: str) -> tuple[Struct, int]:
    """The footer of a Parquet file, and where it begins."""
    size = file.seek(0, io.SEEK_END)
    if size < len(_MAGIC) + _TAIL.size:
        raise ValueError(f"{name} is no Parquet file")
    file.seek(size - _TAIL.size)
    length, magic = _TAIL.unpack(file.read(_TAIL.size))
    begin = size - _TAIL.size - length
    if magic != _MAGIC or begin < len(_MAGIC):
        raise ValueError(f"{name} is no whole Parquet file")
    file.seek(begin)
    return read_struct(file.read(length)), begin


def _empty_footer(table: Table) -> Struct:
    """The footer of a file of ``table`` without rows."""
    file = io.BytesIO()
    parquet_writer(table, file).close()
    return _footer(file, table.name)[0]
