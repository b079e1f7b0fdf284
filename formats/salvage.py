"""What is left of a trace that was cut short or damaged: its whole tables, in a new file that says what it lacks."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bpfrec.formats.arrow import arrow_schema, parquet_writer, written_schema
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.leading_manifest import LeadingManifest
from bpfrec.formats.manifest import MANIFEST, Clock, Host, Manifest, parse_manifest
from bpfrec.formats.salvage_groups import whole_row_groups
from bpfrec.formats.salvage_rows import rows_before_cut
from bpfrec.formats.schema import LOSSES, SYSCALLS, TABLES
from bpfrec.formats.trace_members import store_table

_HEADER = struct.Struct("<4s5H3I2H")
"""A local file header, APPNOTE 4.3.7: signature, version, flags, method, time, date, CRC, two sizes, two lengths."""

_SIGNATURE = b"PK\x03\x04"
_SIZE_FOLLOWS = 1 << 3
_ZIP64 = 0xFFFFFFFF
_ZIP64_EXTRA = 1
_COPY_BYTES = 1 << 20
_MOST_MANIFEST_BYTES = 16 << 20
_MOST_LOSS_BYTES = 1 << 30
_KIND = "table-missing"
_REMEDY = "The file was cut short or damaged: copy it again from where it was recorded."
_MEMBERS = {MANIFEST: None} | {table.member: table for table in TABLES}


@dataclass(frozen=True)
class _Member:
    name: str
    start: int
    size: int
    crc: int
    is_cut: bool = False


@dataclass(frozen=True)
class _Source:
    """A table: ``rows`` rows as a Parquet file, the ``member`` of ``file``."""

    file: IO[bytes]
    member: _Member
    rows: int


@dataclass
class Salvaged:
    """What was found: rows of tables that are whole, and rows of those that are not (None: nobody knows).

    ``partial``: how many of the latter are saved, for they stood before the place where the file was cut, or in row
    groups that are whole. ``damaged``: the tables of these, with the number of damaged row groups (None: nobody knows).
    ``has_manifest``: whether the manifest was found. Without it, host, options and the wall clock are not known.
    """

    kept: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int | None] = field(default_factory=dict)
    partial: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int | None] = field(default_factory=dict)
    has_manifest: bool = False


def salvage(source: Path, target: Path) -> Salvaged:
    """Makes the trace ``target``, mode 0600, of what is whole in ``source``; a table is kept if its checksum is right.

    Of a table in the middle of which the file was cut, the rows are kept that stand before the cut. Of a table that is
    damaged, those row groups are kept whose pages have checksums that are right. What is missing stands in the table
    ``losses``.

    Raises:
        TraceFileError: nothing can be read, or it is of a newer format.
        OSError: a file cannot be read or written, or ``target`` exists.
    """
    found = Salvaged()
    with source.open("rb") as file, ExitStack() as opened:
        members = {member.name: member for member in _members(file)}
        manifest = _manifest(file, members, str(source))
        found.has_manifest = manifest is not None
        tables = _whole_tables(file, members, manifest)
        found.kept = {name: kept.rows for name, kept in tables.items()}
        listed = {name: entry.rows for name, entry in manifest.tables.items()} if manifest else {}
        for table in TABLES:
            if table.name not in tables and (manifest is None or listed.get(table.name)):
                found.missing[table.name] = listed.get(table.name)
        tables |= _rows_before_cut(file, members, opened.enter_context(TemporaryFile()), found)
        for name in list(found.missing):
            tables |= _whole_groups(file, members, name, opened.enter_context(TemporaryFile()), found)
        if not tables:
            raise TraceFileError(
                f"{source}: nothing in it can be saved: no table is whole",
                "Copy it again from where it was recorded.",
            )
        if manifest is None:
            manifest = _stand_in(tables)
        if SYSCALLS.name in found.missing:
            # They are those of all calls, also of those that are gone.
            manifest.failures = None
            saved = _calls(tables)
            manifest.syscalls, manifest.counters["recorded"] = saved.by_name, saved.rows
        _write(file, tables, manifest, found, target)
    return found


def _members(file: IO[bytes]) -> Iterator[_Member]:
    """The members whose headers can be read, one after the other from the start; of the last one, the file may lack
    the end.
    """
    size = file.seek(0, os.SEEK_END)
    at, seen = 0, set()
    while at + _HEADER.size <= size:
        file.seek(at)
        signature, _, flags, method, _, _, crc, _, length, name_size, extra_size = _HEADER.unpack(
            file.read(_HEADER.size)
        )
        if signature != _SIGNATURE:
            return
        name, extra = file.read(name_size), file.read(extra_size)
        start = at + _HEADER.size + name_size + extra_size
        length = _long_size(extra) if length == _ZIP64 else length
        at = start + length
        text = name.decode("ascii", "replace")
        if method != zipfile.ZIP_STORED or flags & _SIZE_FOLLOWS or text in seen:
            return
        if at > size:
            if text in _MEMBERS and start < size:
                yield _Member(text, start, size - start, crc, is_cut=True)
            return
        seen.add(text)
        if text in _MEMBERS:
            yield _Member(text, start, length, crc)


def _long_size(extra: bytes) -> int:
    """The size of a large member, from its extra field (APPNOTE 4.5.3); one that no file has if it is not there."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA and length >= 8 and at + 12 <= len(extra):
            return int.from_bytes(extra[at + 4 : at + 12], "little")
        at += 4 + length
    return 1 << 63


def _blocks(file: IO[bytes], member: _Member) -> Iterator[bytes]:
    file.seek(member.start)
    left = member.size
    while left and (block := file.read(min(_COPY_BYTES, left))):
        left -= len(block)
        yield block


def _manifest(file: IO[bytes], members: dict[str, _Member], where: str) -> Manifest | None:
    member = members.get(MANIFEST)
    if member is None or member.is_cut or member.size > _MOST_MANIFEST_BYTES:
        return None
    content = b"".join(_blocks(file, member))
    return parse_manifest(content, where) if zlib.crc32(content) == member.crc else None


def _whole_tables(file: IO[bytes], members: dict[str, _Member], manifest: Manifest | None) -> dict[str, _Source]:
    """Each table whose checksums are right."""
    found = {}
    for table in TABLES:
        member = members.get(table.member)
        entry = manifest.tables.get(table.name) if manifest else None
        if member is None or member.is_cut or (manifest is not None and entry is None):
            continue
        crc, digest = 0, hashlib.sha256()
        for block in _blocks(file, member):
            crc = zlib.crc32(block, crc)
            digest.update(block)
        if crc == member.crc and (entry is None or entry.sha256 == digest.hexdigest()):
            with suppress(pa.ArrowException, OSError):
                rows = _parquet(file, member).metadata.num_rows
                found[table.name] = _Source(file, member, rows)
    return found


def _rows_before_cut(
    file: IO[bytes], members: dict[str, _Member], target: IO[bytes], found: Salvaged
) -> dict[str, _Source]:
    """The table in the middle of which ``file`` ends, as far as it goes, if it is one of those that are missing."""
    table = next((_MEMBERS[member.name] for member in members.values() if member.is_cut), None)
    if table is None or table.name not in found.missing:
        return {}
    rows = rows_before_cut(file, members[table.member].start, table, target)
    listed = found.missing[table.name]
    if not rows or (listed is not None and rows > listed):
        return {}
    found.partial[table.name] = rows
    return {table.name: _Source(target, _Member(table.member, 0, target.seek(0, os.SEEK_END), 0), rows)}


def _whole_groups(
    file: IO[bytes], members: dict[str, _Member], name: str, target: IO[bytes], found: Salvaged
) -> dict[str, _Source]:
    """The damaged table ``name``, as far as its row groups are whole."""
    table = next(table for table in TABLES if table.name == name)
    member = members.get(table.member)
    if member is None or member.is_cut:
        return {}
    whole = whole_row_groups(file, member.start, member.size, table, target)
    listed = found.missing[name]
    if not whole.rows or (listed is not None and whole.rows > listed):
        return {}
    found.partial[name], found.damaged[name] = whole.rows, whole.lost
    return {name: _Source(target, _Member(table.member, 0, target.seek(0, os.SEEK_END), 0), whole.rows)}


def _parquet(file: IO[bytes], member: _Member) -> pq.ParquetFile:
    return pq.ParquetFile(pa.PythonFile(_Window(file, member), mode="r"), pre_buffer=False)


class _Window:
    """A member as a file of its own."""

    closed = False

    def __init__(self, file: IO[bytes], member: _Member) -> None:
        self._file, self._member, self._at = file, member, 0

    def read(self, size: int = -1) -> bytes:
        left = max(self._member.size - self._at, 0)
        self._file.seek(self._member.start + self._at)
        content = self._file.read(left if size < 0 else min(size, left))
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._member.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass
class _Calls:
    """The calls of a table: ``rows``, counts ``by_name``, and the first and last time in ns (0: there is none)."""

    rows: int = 0
    by_name: dict[str, int] = field(default_factory=dict)
    first_ns: int = 0
    last_ns: int = 0


def _calls(tables: dict[str, _Source]) -> _Calls:
    source = tables.get(SYSCALLS.name)
    if source is None:
        return _Calls()
    counts: dict[str, int] = {}
    times: list[int] = []
    with suppress(pa.ArrowException, KeyError):
        for batch in _parquet(source.file, source.member).iter_batches(columns=["ts_ns", "syscall"]):
            ends = pc.min_max(batch["ts_ns"]).as_py()
            times += [time for time in (ends["min"], ends["max"]) if time is not None]
            for entry in pc.value_counts(batch["syscall"]).to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    return _Calls(source.rows, dict(sorted(counts.items())), min(times, default=0), max(times, default=0))


def _stand_in(tables: dict[str, _Source]) -> Manifest:
    """A manifest that says what the calls say; the wall clock begins with 1970."""
    calls = _calls(tables)
    return Manifest(
        tool_version="",
        command_line=[],
        configuration={},
        host=Host("", "", "x86_64", 4096, 0, 0),
        clock=Clock(0, 0, 0),
        start_ns=calls.first_ns,
        stop_ns=calls.last_ns,
        stopped="the manifest was lost",
        counters={"recorded": calls.rows},
        syscalls=calls.by_name,
    )


def _saved(found: Salvaged, name: str) -> str:
    """What was saved of a table that is not whole, as the beginning of a remedy."""
    rows = found.partial.get(name)
    if name in found.damaged:
        groups = found.damaged[name]
        where = "the damaged row groups" if groups is None else f"{groups} damaged row group{'s' if groups > 1 else ''}"
        return f"{rows:,} rows were saved, those in {where} were not. "
    columns = " Names of threads and stacks of some of them may be missing." if name == SYSCALLS.name else ""
    return f"only the first {rows:,} rows were saved.{columns} " if rows else ""


def _write(file: IO[bytes], tables: dict[str, _Source], manifest: Manifest, found: Salvaged, target: Path) -> None:
    rows: list[dict[str, Any]] = []
    if LOSSES.name in tables:
        losses = tables.pop(LOSSES.name)
        with suppress(pa.ArrowException):
            rows = _parquet(losses.file, losses.member).read().to_pylist()
    rows += [
        {
            "kind": _KIND,
            "severity": "data_loss" if name == SYSCALLS.name and lost != found.partial.get(name) else "notice",
            "count": 1 if lost is None else lost - found.partial.get(name, 0),
            "remedy": f"{name}: {_saved(found, name)}{_REMEDY}",
        }
        for name, lost in found.missing.items()
    ]
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as made, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
            counts = {name: source.rows for name, source in tables.items()} | {LOSSES.name: len(rows)}
            leading = LeadingManifest(archive, manifest, counts, file.seek(0, os.SEEK_END) + _MOST_LOSS_BYTES)
            manifest.tables = {}
            for table in TABLES:
                if table.name in tables:
                    source = tables[table.name]
                    blocks = _blocks(source.file, source.member)
                    manifest.tables[table.name] = store_table(archive, table.member, blocks, source.rows)
            with TemporaryFile() as parquet:
                with parquet_writer(LOSSES, parquet) as writer:
                    writer.write_table(pa.Table.from_pylist(rows, arrow_schema(LOSSES)).cast(written_schema(LOSSES)))
                whole = _Member(LOSSES.member, 0, parquet.tell(), 0)
                manifest.tables[LOSSES.name] = store_table(archive, LOSSES.member, _blocks(parquet, whole), len(rows))
            leading.fill(manifest)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
