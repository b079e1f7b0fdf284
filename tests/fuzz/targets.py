"""What is fuzzed: each target reads bytes as the product does, and fails only as the product says it may.

A target that raises anything else, or takes more than :data:`TIMEOUT_S`, has found a fault. Answers are checked where
they can be: what a checksum covers is right or refused.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from fuzz.seeds import LATE_COLUMNS, seeds

from bpfrec.analyze.imports import perf_import
from bpfrec.analyze.imports.perf_import import import_perf
from bpfrec.analyze.imports.strace_clock import LogClock
from bpfrec.analyze.imports.strace_import import import_strace
from bpfrec.analyze.imports.strace_log import StraceLog
from bpfrec.analyze.imports.text_lines import text_lines
from bpfrec.bpf import btf, wire
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.manifest import parse_manifest
from bpfrec.formats.salvage import salvage
from bpfrec.formats.salvage_groups import whole_row_groups
from bpfrec.formats.salvage_rows import rows_before_cut
from bpfrec.formats.schema import SYSCALLS
from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.symbols.elf_symbols import SymbolIndex
from bpfrec.formats.symbols.go_functions import BadGoTableError, GoFunctions
from bpfrec.formats.symbols.perf_map import entries_for
from bpfrec.formats.symbols.source_lines import Budget, SourceLines
from bpfrec.formats.symbols.symbolizer import Symbolizer
from bpfrec.formats.trace_reader import TraceReader
from bpfrec.record.decode.calls import call_rows
from bpfrec.record.spool import Chunk, read_decoded
from bpfrec.record.stacks.unwind.cfi import parse_cie, row_at
from bpfrec.record.stacks.unwind.eh_frame import UnwindTable
from bpfrec.record.stacks.unwind.encoding import BadUnwindInfoError
from bpfrec.record.stacks.unwind.expression import Unreadable, evaluate

TIMEOUT_S = 20
_ADDRESSES = (0x1000, 0x1139, 0x1160, 0x401136, 0x7F00_0000_1000)
_BUDGET = 1 << 20


@dataclass(frozen=True)
class Target:
    """``run`` reads bytes; ``most_bytes``: of an input. ``share``: of all inputs, for some are slower than others."""

    run: Callable[[bytes], object]
    most_bytes: int
    share: float


@cache
def _temporary() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="bpfrec-fuzz-")


def _folder() -> Path:
    """A folder for files that are read by their names; it goes with the process."""
    return Path(_temporary().name)


def _zip(data: bytes) -> None:
    path = _folder() / "trace.bpfrec"
    path.write_bytes(data)
    with contextlib.suppress(BpfrecError), TraceReader(path) as reader:
        faults = dict(reader.verify())
        for name, fault in faults.items():
            with zipfile.ZipFile(path) as archive:
                if not fault:
                    content = archive.read(f"{name}.parquet")
                    assert hashlib.sha256(content).hexdigest() == reader.manifest.tables[name].sha256


def _manifest(data: bytes) -> None:
    with contextlib.suppress(BpfrecError):
        manifest = parse_manifest(data, "it")
        assert parse_manifest(manifest.to_json(), "it") == manifest
        json.dumps(manifest.configuration, ensure_ascii=False).encode()


def _salvage(data: bytes) -> None:
    source, target = _folder() / "cut.bpfrec", _folder() / "saved.bpfrec"
    source.write_bytes(data)
    target.unlink(missing_ok=True)
    with contextlib.suppress(BpfrecError):
        salvage(source, target)
        with TraceReader(target) as reader:
            assert not [fault for _, fault in reader.verify() if fault]


def _row_groups(data: bytes) -> None:
    """A damaged table: what is saved of it was in it. The first byte chooses how it is read."""
    how, content = data[:1], data[1:]
    made = io.BytesIO()
    if how < b"\x80":
        rows = whole_row_groups(io.BytesIO(content), 0, len(content), SYSCALLS, made).rows
    else:
        rows = rows_before_cut(io.BytesIO(content), 0, SYSCALLS, made, checked=how >= b"\xc0")
    if not rows:
        return
    saved = pq.read_table(io.BytesIO(made.getvalue()))
    assert saved.num_rows == rows
    if how < b"\x80" or how >= b"\xc0":
        assert {str(row) for row in saved.drop_columns(LATE_COLUMNS).to_pylist()} <= _rows_of_seeds()


@cache
def _rows_of_seeds() -> set[str]:
    tables = [pq.read_table(io.BytesIO(seed[1:])) for seed in seeds("row-groups")]
    return {str(row) for table in tables for row in table.drop_columns(LATE_COLUMNS).to_pylist()}


def _strace(data: bytes) -> None:
    """A log gives the same rows whether common lines are read as such or not, and some are imported whole."""
    path = _folder() / "strace.log"
    path.write_bytes(data)
    told = []
    for is_plain in (False, True):
        log = StraceLog(LogClock(datetime.date(2026, 11, 28), 0, 0))
        if is_plain:
            log._read_common = lambda *_: False  # type: ignore[method-assign]
        rows = [row for batch in log.batches((None, line) for line in text_lines(path)) for row in batch]
        assert len(rows) == log.counts.calls
        told.append((rows, log.counts, log.not_understood, log.side_rows, log.first_ns, log.last_ns))
    assert told[0] == told[1]
    _import(data, lambda target: import_strace([path], target, day=None, utc_offset_s=0, command_line=[], host="h"))


def _perf_script(data: bytes) -> None:
    path = _folder() / "perf.txt"
    path.write_bytes(data)
    script = perf_import._Script()
    assert sum(1 for _ in script.samples(text_lines(path))) == script.count
    _import(data, lambda target: import_perf(path, target, utc_offset_s=0, command_line=[], host=None))


def _import(data: bytes, make: Callable[[Path], object]) -> None:
    """Makes a trace of every eighth input, which takes longer than reading it."""
    if zlib.crc32(data) % 8:
        return
    target = _folder() / "imported.bpfrec"
    target.unlink(missing_ok=True)
    with contextlib.suppress(BpfrecError):
        make(target)
        with TraceReader(target) as reader:
            assert not [fault for _, fault in reader.verify() if fault]


def _spool(data: bytes) -> None:
    path = _folder() / "calls.spool"
    path.write_bytes(data)

    def decode(chunk: Chunk) -> tuple[wire.Records, int]:
        records = wire.decode(chunk.data, chunk.parts)
        return records, records.consumed

    for joined in (False, True):
        for records in read_decoded(path, decode, 1 << 16, lambda _: None, joined=joined):
            _rows(records)


def _ring(data: bytes) -> None:
    _rows(wire.decode(np.frombuffer(data[: len(data) // 8 * 8], np.uint8).copy()))


def _rows(records: wire.Records) -> None:
    assert records.consumed <= len(records.data)
    if len(records.calls):
        # What fails here, the recorder counts as calls-undecoded.
        with contextlib.suppress(IndexError, ValueError, OverflowError):
            rows = call_rows(records)
            assert len(rows.table) == len(records.calls)


def _perf_map(data: bytes) -> None:
    found = entries_for(io.BytesIO(data), _ADDRESSES)
    assert found.kept <= (data.count(b"\n") + 1) * len(_ADDRESSES)


def _elf(data: bytes) -> None:
    with contextlib.suppress(NotElfError):
        file = ElfFile(io.BytesIO(data))
        _ = file.build_id, file.sections, file.debug_link, file.symbol_bytes
        index = SymbolIndex(file.symbol_tables())
        symbolizer = Symbolizer([file])
        for address in _ADDRESSES:
            found = index.find(address)
            assert found is None or isinstance(found.name, str)
            symbolizer.symbol_at(address)


def _dwarf(data: bytes) -> None:
    with contextlib.suppress(NotElfError):
        file = ElfFile(io.BytesIO(data))
        lines, _ = SourceLines(file.content).find(_ADDRESSES, Budget(_BUDGET))
        assert all(line.line > 0 for line in lines.values())


def _eh_frame(data: bytes) -> None:
    with contextlib.suppress(NotElfError):
        table = UnwindTable(ElfFile(io.BytesIO(data)))
        for address in _ADDRESSES:
            with contextlib.suppress(BadUnwindInfoError):
                table.find(address)
            with contextlib.suppress(BadUnwindInfoError):
                table.find_offset(address & 0xFFFF)
            table.ends_call(address & 0xFFFF)


def _cfi(data: bytes) -> None:
    size = data[0] if data else 0
    with contextlib.suppress(BadUnwindInfoError):
        row_at(parse_cie(data[1 : 1 + size], 0x1000), data[1 + size :], 0x1000, 0x1040)


def _expression(data: bytes) -> None:
    with contextlib.suppress(BadUnwindInfoError, Unreadable):
        value = evaluate(data, lambda number: number if number < 17 else None, lambda _, size: (1 << 8 * size) - 1, 7)
        assert 0 <= value < 1 << 64


def _pclntab(data: bytes) -> None:
    with contextlib.suppress(BadGoTableError):
        table = GoFunctions(data, 0x401000)
        for address in (*_ADDRESSES, 0x401000, 0x401040):
            table.find(address)
            table.line(address)
            table.stack_moved(address)


def _btf(data: bytes) -> None:
    with contextlib.suppress(BpfrecError):
        btf.member_offsets({"task_struct": ("pid", "tgid")}, data)
    btf.offset_of_run(("pid", "tgid"), data or b"\0")
    btf.has_name("pid", data or b"\0")


TARGETS: dict[str, Target] = {
    "zip": Target(_zip, 1 << 15, 0.5),
    "manifest": Target(_manifest, 1 << 13, 2),
    "salvage": Target(_salvage, 1 << 15, 0.2),
    "row-groups": Target(_row_groups, 1 << 15, 0.5),
    "strace": Target(_strace, 1 << 12, 0.5),
    "perf-script": Target(_perf_script, 1 << 12, 0.5),
    "spool": Target(_spool, 1 << 12, 0.5),
    "ring": Target(_ring, 1 << 12, 0.5),
    "perf-map": Target(_perf_map, 1 << 12, 1),
    "elf": Target(_elf, 1 << 15, 0.3),
    "dwarf": Target(_dwarf, 1 << 15, 0.3),
    "eh-frame": Target(_eh_frame, 1 << 15, 0.3),
    "cfi": Target(_cfi, 1 << 9, 3),
    "expression": Target(_expression, 1 << 8, 4),
    "pclntab": Target(_pclntab, 1 << 12, 2),
    "btf": Target(_btf, 1 << 12, 2),
}
