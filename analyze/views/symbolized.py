"""Functions and source lines of frames from debug files: folders that the user names, and files that are in the trace.

What they say goes before what the recorder found: it may have had less to look into.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from bpfrec.analyze.engine.sqltemplate import bundled_sql
from bpfrec.analyze.engine.view import Computed, Late, View, ViewColumn
from bpfrec.formats.columns import Column, Table

if TYPE_CHECKING:
    from bpfrec.analyze.trace import Trace
    from bpfrec.formats.symbols.source_lines import Budget

LINES_BUDGET = 64 << 20
"""Bytes of debug information that are read one by one for one trace: a minute's worth."""

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


def symbolized_view(frames: View) -> View:
    """The view ``frames`` with what debug files say, found once a query needs it."""
    had = {column.name: column.expression for column in frames.columns}
    address = had["module_address"]
    join = Late(
        f"LEFT JOIN computed.symbolized AS debug ON debug.build_id = {had['build_id']} "
        f"AND debug.module_address = {address}",
        computed=Computed(SYMBOLIZED, _fill),
    )
    # Files are mapped by pages: what is left is the byte between an address and the return address behind it.
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
        return replace(was, expression=f"CAST({better[was.name]} AS {was.sql_type})", late=(join,))

    return replace(frames, columns=tuple(map(column, frames.columns)))


def _fill(trace: Trace) -> None:
    # numpy, pyarrow and the readers of ELF files are loaded by those who need them.
    import pyarrow as pa  # noqa: PLC0415

    from bpfrec.formats.arrow import arrow_schema  # noqa: PLC0415
    from bpfrec.formats.symbols.source_lines import Budget  # noqa: PLC0415

    asked = trace.query(bundled_sql("frame_addresses")).rows
    budget = Budget(LINES_BUDGET)
    unread = found = 0
    for build_id, addresses in asked:
        with ExitStack() as files:
            opened = [files.enter_context(file) for file in _files(trace, build_id)]
            found += bool(opened)
            rows, left = _rows(build_id, addresses, opened, budget)
            unread += left
        if rows:
            trace.append(f"computed.{SYMBOLIZED.name}", pa.Table.from_pylist(rows, schema=arrow_schema(SYMBOLIZED)))
    if trace.symbols and asked and not found:
        folders = ", ".join(map(str, trace.symbols))
        trace.remarks.append(f"no file in {folders} has the build id of a module in frames")
    if unread:
        trace.remarks.append(f"source lines of {unread:,} addresses would have taken too long to find, and are NULL")


def _files(trace: Trace, build_id: str) -> Iterator[BinaryIO]:
    yield from trace.debug_folders.find(build_id)
    yield from trace.saved_binaries.find(build_id)


def _rows(
    build_id: str, addresses: Collection[int], files: Collection[BinaryIO], budget: Budget
) -> tuple[list[dict[str, object]], int]:
    """What ``files`` say of ``addresses``, and of how many the lines were too much to read."""
    from bpfrec.formats.symbols.elf import ElfFile  # noqa: PLC0415
    from bpfrec.formats.symbols.symbolizer import Symbolizer  # noqa: PLC0415

    if not files:
        return [], 0
    elves = [ElfFile(file) for file in files]
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
