"""The rows of a table whose file was cut short: the row groups before the cut, found without the footer.

A Parquet file says in its footer where its row groups are, and the footer is its end. But bpfrec always writes columns
in the order of the table, so the pages before the cut can be told apart: a row group is a run of pages in which each
column has the same number of values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import IO

import pyarrow as pa

from bpfrec.formats.arrow import parquet_writer
from bpfrec.formats.columns import Column, Table
from bpfrec.formats.parquet_pages import (
    MAGIC,
    Group,
    Page,
    chunk_of,
    completed,
    has_dictionary,
    pages_in,
    read_group,
    size_of,
)
from bpfrec.formats.schema import SYSCALLS

_LATE = frozenset(("comm", "stack_id", "stack_status"))
"""The columns of ``syscalls`` that are written behind the row groups of all others: see docs/architecture.md."""

_MOST_PAGES_OF_ONE = 1 << 10


def rows_before_cut(
    file: IO[bytes], start: int, table: Table, target: IO[bytes], end: int | None = None, *, checked: bool = False
) -> int:
    """Writes the rows of ``table`` that stand whole in ``file`` from ``start`` on to ``target``, as a Parquet file.

    ``end``: where the table ends, None: at the end of the file. ``checked``: only pages that have a checksum count.
    Columns that are not there are NULL. Returns how many rows there are. Disk errors come as OSError.
    """
    file.seek(start)
    is_parquet = file.read(len(MAGIC)) == MAGIC
    found = pages_in(file, start + len(MAGIC), size_of(file) if end is None else end) if is_parquet else iter(())
    pages = list(takewhile(lambda page: page.is_checked, found) if checked else found)
    rows = 0
    with parquet_writer(table, target) as writer:
        for group, beside in _pairs(_groups(pages, table)):
            with suppress(pa.ArrowException, OSError, ValueError):
                made = read_group(file, table, group)
                if beside is not None:
                    late = read_group(file, table, beside)
                    for name in late.column_names:
                        made = made.append_column(name, late[name])
                whole = completed(made, table)
                writer.write_table(whole)
                rows += whole.num_rows
                continue
            break
    return rows


def _groups(pages: Sequence[Page], table: Table) -> Iterator[Group]:
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


def _group(pages: Sequence[Page], at: int, columns: tuple[Column, ...]) -> Group | None:
    """The row group of ``columns`` that begins with page ``at``; None: there is none that is whole.

    How many rows it has is not known before: as many as the first pages have values, such that all columns fit.
    """
    rows = 0
    first = at + has_dictionary(columns[0])
    for end in range(first + 1, min(len(pages), first + _MOST_PAGES_OF_ONE) + 1):
        rows += pages[end - 1].values
        chunks = _chunks(pages, at, columns, rows)
        if chunks is not None:
            return Group(columns, rows, chunks)
    return None


def _chunks(pages: Sequence[Page], at: int, columns: Sequence[Column], rows: int) -> list[list[Page]] | None:
    """The pages of each column, from page ``at`` on, where each has ``rows`` values; None: that is not so."""
    chunks: list[list[Page]] = []
    for column in columns:
        end = chunk_of(pages, at, column, rows)
        if end is None:
            return None
        chunks.append(list(pages[at:end]))
        at = end
    return chunks


def _pairs(groups: Iterator[Group]) -> Iterator[tuple[Group, Group | None]]:
    """Each row group with that of the columns that were written behind all others, as far as that is there."""
    waiting: list[Group] = []
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
