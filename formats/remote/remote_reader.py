"""Opening a trace that is elsewhere, of which only what a question needs is read.

The first member of the zip is the manifest, and it says where the tables are. A trace of an older version does not say
so; then the directory of the zip does, which is at the end.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO

from bpfrec.formats.columns import Table
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import MANIFEST, Manifest, parse_manifest
from bpfrec.formats.remote.cached_object import WHOLE_BYTES, CachedObject, RangeFile
from bpfrec.formats.remote.source import HEAD_BYTES
from bpfrec.formats.remote.uri import Uri
from bpfrec.formats.schema import TABLES
from bpfrec.formats.temporary import LateFolder
from bpfrec.formats.zip_members import DIRECTORY_BYTES, MANIFEST_BYTES, ZIP_ERRORS, directory_bytes

SMALL_TABLE_BYTES = 1 << 17
"""A table of at most so many bytes is read whole, and its checksum compared."""

_COPY_BYTES = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_SIGNATURE = b"PK\x03\x04"
_ZIP64 = 0xFFFFFFFF


@dataclass(frozen=True)
class RemoteTable:
    """A table that queries read by ranges. ``address``: the name that DuckDB opens it by."""

    name: str
    whole: CachedObject
    start: int
    size: int

    @property
    def address(self) -> str:
        """The name that DuckDB opens it by."""
        return table_address(self.name)

    def open(self) -> RangeFile:
        """Its Parquet file."""
        return self.whole.file(self.start, self.size)


ADDRESS_SCHEME = "bpfrec-table"


def table_address(name: str) -> str:
    """The address, within the SQL session, of the table called ``name`` of a trace that is elsewhere."""
    return f"{ADDRESS_SCHEME}://{name}.parquet"


class RemoteTraceReader:
    """The manifest and the tables of the trace at ``path``; as :class:`.TraceReader` for one that is elsewhere.

    Checksums of tables that are read by ranges are not compared: :meth:`verify` does it.

    Raises:
        TraceFileError: missing, refused, not a trace, damaged, or of a newer format.
    """

    def __init__(self, path: Uri) -> None:
        self.path = path
        self.object = CachedObject(path)
        self._copies = LateFolder()
        self._tables: dict[str, Path] = {}
        try:
            self.manifest = self._read_manifest()
            self._check_offsets()
        except BaseException:
            self.object.close()
            raise

    def __enter__(self) -> RemoteTraceReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and drops what was read."""
        self.object.close()
        self._copies.cleanup()

    def size_bytes(self) -> int:
        """The size of the trace in bytes."""
        return self.object.size

    @property
    def identity(self) -> None:
        """None: what is read in part cannot be compared with the checksums in the manifest."""
        return None

    def queried(self, table: Table) -> Path | RemoteTable | None:
        """What queries read ``table`` from: a copy of a small table, else the ranges of a large one; None if this trace
        has no such table.

        Raises:
            TraceFileError: it is damaged or missing although the manifest lists it, or cannot be read.
        """
        if table.name not in self.manifest.tables:
            return None
        start, size = self._place(table.name)
        if size <= SMALL_TABLE_BYTES or self.object.size <= WHOLE_BYTES:
            return self.parquet(table)
        return RemoteTable(table.name, self.object, start, size)

    def parquet(self, table: Table) -> Path | None:
        """Returns a copy of the Parquet file of ``table``, or None if this trace has no such table.

        Raises:
            TraceFileError: it is damaged or missing although the manifest lists it, or cannot be read.
        """
        if table.name not in self.manifest.tables:
            return None
        if table.name not in self._tables:
            self._tables[table.name] = self._copy(table)
        return self._tables[table.name]

    def places(self) -> list[Path]:
        """The files that :meth:`parquet` gives or will give."""
        try:
            folder = self._copies.path()
        except OSError:
            return []
        return [folder / table.member for table in TABLES if table.name in self.manifest.tables]

    def addresses(self) -> list[str]:
        """The addresses of the tables that queries may read by ranges."""
        return [table_address(table.name) for table in TABLES if table.name in self.manifest.tables]

    def open_address(self, address: str) -> RangeFile:
        """The Parquet file with that address.

        Raises:
            TraceFileError: there is none.
        """
        name = address.removeprefix(f"{ADDRESS_SCHEME}://").removesuffix(".parquet")
        return self.object.file(*self._place(name))

    def verify(self) -> Iterator[tuple[str, str]]:
        """Compares the checksum of every table that the manifest lists, and so reads the whole trace.

        Gives the name of each, and what is wrong with it: empty if nothing is.
        """
        for name, entry in self.manifest.tables.items():
            try:
                digest = hashlib.sha256()
                for block in self.blocks(name):
                    digest.update(block)
                yield name, "" if digest.hexdigest() == entry.sha256 else f"{name}.parquet: its checksum is wrong"
            except TraceFileError as error:
                yield name, error.message.removeprefix(f"{self.path}: ")

    def _read_manifest(self) -> Manifest:
        head = self.object.read(0, min(HEAD_BYTES, self.object.size))
        start, size = self._leading_manifest(head) or self._in_directory(MANIFEST)
        if size > MANIFEST_BYTES:
            raise self._damaged(f"{MANIFEST} is absurdly large")
        return parse_manifest(self.object.read(start, size), str(self.path))

    def _leading_manifest(self, head: bytes) -> tuple[int, int] | None:
        """Where the manifest begins, and its size in bytes, if it is the first member."""
        if len(head) < _LOCAL_HEADER.size:
            raise TraceFileError(f"{self.path}: not a bpfrec trace")
        signature, _, flags, method, _, _, _, _, size, name, extra = _LOCAL_HEADER.unpack_from(head)
        if signature != _SIGNATURE:
            raise TraceFileError(f"{self.path}: not a bpfrec trace")
        leads = head[_LOCAL_HEADER.size : _LOCAL_HEADER.size + name] == MANIFEST.encode()
        if not leads or flags & 8 or method != zipfile.ZIP_STORED or size in (0, _ZIP64):
            return None
        return _LOCAL_HEADER.size + name + extra, size

    def _check_offsets(self) -> None:
        for name, entry in self.manifest.tables.items():
            if entry.offset is not None and (
                entry.offset < 0 or entry.bytes < 0 or entry.offset + entry.bytes > self.object.size
            ):
                raise self._damaged(f"{name}.parquet is not within it; it may have been cut short")

    def _place(self, name: str) -> tuple[int, int]:
        """Where a table begins, and its size in bytes."""
        entry = self.manifest.tables[name]
        if entry.offset is not None:
            return entry.offset, entry.bytes
        start, size = self._in_directory(f"{name}.parquet")
        if size != entry.bytes:
            raise self._damaged(f"{name}.parquet has {size:,} bytes instead of {entry.bytes:,}")
        return start, size

    def _in_directory(self, member: str) -> tuple[int, int]:
        """Where a member begins, and its size in bytes, as the directory of the zip says."""
        found = [info for info in self._directory if info.filename == member]
        if not found:
            what = "a zip, but not a bpfrec trace" if member == MANIFEST else "damaged"
            raise TraceFileError(f"{self.path}: {what}: it holds no {member}")
        if len(found) > 1:
            raise self._damaged(f"it holds {member} twice")
        info = found[0]
        if info.compress_type != zipfile.ZIP_STORED:
            raise TraceFileError(f"{self.path}: {member} is compressed", "Copy it here, unzip it and name the folder.")
        header = self.object.read(info.header_offset, _LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != _SIGNATURE:
            raise self._damaged(f"{member} is not where its directory says")
        *_, name, extra = _LOCAL_HEADER.unpack(header)
        start = info.header_offset + _LOCAL_HEADER.size + name + extra
        if start + info.file_size > self.object.size:
            raise self._damaged(f"{member} is not within it")
        return start, info.file_size

    @cached_property
    def _directory(self) -> list[zipfile.ZipInfo]:
        # The end of the file, in which directory and end records are, in one request.
        self.object.read(max(self.object.size - HEAD_BYTES, 0), HEAD_BYTES)
        file: IO[bytes] = self.object.file()  # type: ignore[assignment]
        if directory_bytes(file) > DIRECTORY_BYTES:
            raise self._damaged("its zip directory is absurdly large")
        try:
            with zipfile.ZipFile(file) as archive:
                return archive.infolist()
        except ZIP_ERRORS:
            raise TraceFileError(
                f"{self.path}: not a bpfrec trace, or one cut short (no zip directory at its end)",
                "Compare its size with the original.",
            ) from None

    def _copy(self, table: Table) -> Path:
        digest = hashlib.sha256()
        try:
            target = self._copies.path() / table.member
            with target.open("wb") as copy:
                for block in self.blocks(table.name):
                    digest.update(block)
                    copy.write(block)
        except OSError as error:
            raise TraceFileError(
                f"{self.path}: {table.member} cannot be kept: {error.strerror}", "Set TMPDIR to a folder with room."
            ) from None
        if digest.hexdigest() != self.manifest.tables[table.name].sha256:
            raise self._damaged(f"{table.member}: its checksum is wrong")
        return target

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of the Parquet file of a table that the manifest lists, some at a time.

        Raises:
            TraceFileError: it is damaged or missing, or cannot be read.
        """
        start, size = self._place(name)
        for at in range(start, start + size, _COPY_BYTES):
            yield self.object.read(at, min(_COPY_BYTES, start + size - at))

    def _damaged(self, cause: str) -> TraceFileError:
        return TraceFileError(f"{self.path}: damaged: {cause}", "Ask for the file again.")
