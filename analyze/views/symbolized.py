"""Functions and source lines of frames from debug files: folders that the user names, and files saved in the trace.

What these files say replaces what the recorder found, because the recorder may have had fewer files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bpfrec.analyze.engine.protocols import Queries
from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.analyze.engine.view import ComputedTable, Join, View, ViewColumn
from bpfrec.analyze.views.saved_binaries import SavedBinaries
from bpfrec.formats.columns import Column, Table

if TYPE_CHECKING:
    from bpfrec.formats.symbols.debug_files import DebugFolders
    from bpfrec.formats.symbols.source_lines import Budget

LINES_BUDGET = 64 << 20
"""Bytes of debug information that are read for one trace at most; Python reads this much in about a minute."""

SYMBOLIZED = Table(
    "symbolized",
    "What debug files say of the code in frames.",
    (
        Column("build_id", "VARCHAR", "GNU build id of the module, hex"),
        Column("module_address", "UBIGINT", "the address as the ELF file numbers it"),
        Column("whole", "BOOLEAN", "whether all functions of the module were to be seen, not only the exported ones"),
        Column("symbol", "VARCHAR", "function; NULL: not known"),
        Column("inside", "BIGINT", "bytes from the start of the function to module_address"),
        Column("file", "VARCHAR", "source file; NULL: not known"),
        Column("line", "INTEGER", "source line"),
    ),
)


@dataclass
class DebugFiles:
    """Where debug files are: ``folders`` of the user, and ``saved``, those in the trace.

    ``remarks`` gets what the user has to be told of them.
    """

    folders: tuple[Path, ...]
    saved: SavedBinaries
    remarks: list[str]

    def find(self, build_id: str, queries: Queries) -> Iterator[BinaryIO]:
        """The files with that build id (hex), open. The caller closes them."""
        yield from self._folders.find(build_id)
        yield from self.saved.find(build_id, queries)

    @cached_property
    def _folders(self) -> DebugFolders:
        from bpfrec.formats.symbols.debug_files import DebugFolders  # noqa: PLC0415 - it needs numpy

        return DebugFolders(self.folders)


def symbolized_view(frames: View, files: DebugFiles) -> View:
    """The view ``frames`` with what ``files`` say, which are read when a query requires it."""
    had = {column.name: column.expression for column in frames.columns}
    address = had["module_address"]
    join = Join(
        f"LEFT JOIN computed.symbolized AS debug ON debug.build_id = {had['build_id']} "
        f"AND debug.module_address = {address}",
        computed=ComputedTable(SYMBOLIZED, lambda queries: _fill(queries, files)),
    )
    # Files are mapped by pages, so the last 12 bits of both differ only by the byte between a call and its return
    # address.
    behind = f"CAST((CAST({had['ip']} & 4095 AS BIGINT) - CAST({address} & 4095 AS BIGINT)) & 4095 AS BIGINT)"
    inside = f"debug.inside + {behind}"
    by_debug = f"debug.symbol IS NOT NULL AND (debug.whole OR {had['symbol']} IS NULL)"
    better = {
        "symbol": f"CASE WHEN {by_debug} THEN debug.symbol ELSE {had['symbol']} END",
        "symbol_offset": f"CASE WHEN {by_debug} THEN {inside} ELSE {had['symbol_offset']} END",
        "file": f"CASE WHEN debug.line IS NULL THEN {had['file']} ELSE debug.file END",
        "line": f"coalesce(debug.line, {had['line']})",
    }

    def column(was: ViewColumn) -> ViewColumn:
        if was.name not in better:
            return was
        return replace(was, expression=f"CAST({better[was.name]} AS {was.sql_type})", joins=(join,))

    return replace(frames, columns=tuple(map(column, frames.columns)))


def _fill(queries: Queries, debug: DebugFiles) -> None:
    # Only traces with debug files need numpy, pyarrow and the readers of ELF files.
    import pyarrow as pa  # noqa: PLC0415

    from bpfrec.formats.arrow import arrow_schema  # noqa: PLC0415
    from bpfrec.formats.symbols.source_lines import Budget  # noqa: PLC0415

    asked = queries.query(bundled_sql("frame_addresses")).rows
    budget = Budget(LINES_BUDGET)
    unread = found = 0
    for build_id, addresses in asked:
        with ExitStack() as files:
            opened = [files.enter_context(file) for file in debug.find(build_id, queries)]
            found += bool(opened)
            rows, left = _rows(build_id, addresses, opened, budget)
            unread += left
        if rows:
            queries.append(f"computed.{SYMBOLIZED.name}", pa.Table.from_pylist(rows, schema=arrow_schema(SYMBOLIZED)))
    if debug.folders and asked and not found:
        folders = ", ".join(map(str, debug.folders))
        debug.remarks.append(f"no file in {folders} has the build id of a module in frames")
    if unread:
        debug.remarks.append(f"source lines of {unread:,} addresses would have taken too long to find, and are NULL")


def _rows(
    build_id: str, addresses: Collection[int], files: Collection[BinaryIO], budget: Budget
) -> tuple[list[dict[str, object]], int]:
    """Rows of what ``files`` say of ``addresses``, and for how many of them finding the line would have taken too
    long.
    """
    from bpfrec.formats.symbols.elf import ElfFile  # noqa: PLC0415
    from bpfrec.formats.symbols.symbolizer import Symbolizer  # noqa: PLC0415

    if not files:
        return [], 0
    elves = [ElfFile(file) for file in files if _is_elf(file)]
    whole = any(section.kind == "SHT_SYMTAB" for elf in elves for section in elf.sections)
    symbols = Symbolizer(elves)
    lines, unread = symbols.lines(addresses, budget)
    rows: list[dict[str, object]] = []
    for address in addresses:
        symbol, line = symbols.symbol_at(address), lines.get(address)
        if symbol is not None or line is not None:
            rows.append(
                {
                    "build_id": build_id,
                    "module_address": address,
                    "whole": whole,
                    "symbol": symbol.name if symbol else None,
                    "inside": address - symbol.address if symbol else None,
                    "file": line.file if line else None,
                    "line": line.line if line else None,
                }
            )
    return rows, unread


def _is_elf(file: BinaryIO) -> bool:
    """Whether ``file`` has headers that can be read. A saved binary may be anything: a stranger names it."""
    from bpfrec.formats.symbols.elf import ElfFile, NotElfError  # noqa: PLC0415

    try:
        return bool(ElfFile(file).sections)
    except NotElfError:
        return False
