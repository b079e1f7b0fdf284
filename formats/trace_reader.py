"""Opening a trace: a ``.bpfrec`` zip or the plain folder it unzips to.

DuckDB reads Parquet from files, not from members of a zip. So a table is copied into a private temporary folder when it
is first needed, and its checksum is compared. A folder is read in place.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from bpfrec.formats.columns import Table
from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import MANIFEST, Manifest, parse_manifest
from bpfrec.formats.schema import TABLES
from bpfrec.formats.temporary import LateFolder
from bpfrec.formats.zip_members import DIRECTORY_BYTES, MANIFEST_BYTES, ZIP_ERRORS, directory_bytes

_COPY_BYTES = 1 << 20


_MOST_NAMED = 5


def _instead_of(folder: Path) -> str:
    """What to name instead of a folder that is no trace: one of the traces in it, if there are any."""
    try:
        traces = sorted(path.name for path in folder.iterdir() if path.name.endswith(".bpfrec"))
    except OSError:
        traces = []
    if not traces:
        return "Name a .bpfrec file, or the folder that one was unzipped to."
    more = f" and {len(traces) - _MOST_NAMED} more" if len(traces) > _MOST_NAMED else ""
    named = ", ".join(traces[:_MOST_NAMED])
    return f"It has traces: {named}{more}. Name one, or ask all: bpfrec fleet report NAME --fleet {folder}"


class TraceReader:
    """The files of one trace; a context manager that removes its temporary copies.

    Raises:
        TraceFileError: missing, not a trace, damaged, or of a newer format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        self._copies = LateFolder()
        self._tables: dict[str, Path] = {}
        if os.path.isdir(self.path):  # noqa: PTH112 - Path.is_dir() raises where a folder above may not be entered
            self.manifest = self._folder_manifest()
        else:
            self._zip = _open_zip(self.path)
            try:
                self.manifest = self._zip_manifest(self._zip)
            except BaseException:
                self._zip.close()
                raise

    def __enter__(self) -> TraceReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file and removes what was copied out of it."""
        if self._zip:
            self._zip.close()
        self._copies.cleanup()

    def parquet(self, table: Table) -> Path | None:
        """Returns the Parquet file of ``table``, or None if this trace has no such table.

        Raises:
            TraceFileError: the table is damaged or missing although the manifest lists it.
        """
        if table.name not in self.manifest.tables:
            return None
        if table.name not in self._tables:
            self._tables[table.name] = self._copy(table, self._zip) if self._zip else self._in_folder(table)
        return self._tables[table.name]

    def queried(self, table: Table) -> Path | None:
        """What queries read ``table`` from: the file that :meth:`parquet` gives."""
        return self.parquet(table)

    def size_bytes(self) -> int:
        """The size of the trace, file or folder, in bytes."""
        if self._zip:
            return self.path.stat().st_size
        return sum(path.stat().st_size for path in self.path.iterdir() if path.is_file())

    @property
    def identity(self) -> str | None:
        """The checksum of the manifest, which has those of all tables; None for a folder, whose tables are not compared
        with theirs.
        """
        return self._digest if self._zip else None

    def verify(self) -> Iterator[tuple[str, str]]:
        """Compares the checksum of every table that the manifest lists, also of those that this version does not know.

        Gives the name of each, and what is wrong with it: empty if nothing is.
        """
        for name in self.manifest.tables:
            yield name, self._fault(name)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of the Parquet file of a table that the manifest lists, some at a time; not more than it says.

        Raises:
            TraceFileError: it is damaged or missing.
        """
        member, left = f"{name}.parquet", self.manifest.tables[name].bytes
        try:
            with self._member(self._zip, member) if self._zip else _regular(self.path / member) as source:
                while left > 0 and (block := source.read(min(_COPY_BYTES, left))):
                    left -= len(block)
                    yield block
        except OSError as error:
            raise TraceFileError(f"{self.path}: {member}: {error.strerror}") from None

    def _fault(self, name: str) -> str:
        entry, member = self.manifest.tables[name], f"{name}.parquet"
        digest, size = hashlib.sha256(), 0
        try:
            with self._member(self._zip, member) if self._zip else _regular(self.path / member) as source:
                while block := source.read(_COPY_BYTES):
                    digest.update(block)
                    size += len(block)
                    if size > entry.bytes:
                        break
        except TraceFileError as error:
            return error.message.removeprefix(f"{self.path}: ")
        except OSError as error:
            return f"{member}: {error.strerror}"
        if size != entry.bytes:
            return f"{member} has {'more than ' if size > entry.bytes else ''}{min(size, entry.bytes):,} bytes" + (
                "" if size > entry.bytes else f" instead of {entry.bytes:,}"
            )
        return "" if digest.hexdigest() == entry.sha256 else f"{member}: its checksum is wrong"

    def places(self) -> list[Path]:
        """The files that :meth:`parquet` gives or will give, one for each table that this trace has.

        In a folder, what is a link is left out. There are none if the system has no room for a temporary folder.
        """
        tables = [table for table in TABLES if table.name in self.manifest.tables]
        if not self._zip:
            paths = [self.path / table.member for table in tables]
            return [path for path in paths if not path.is_symlink()]
        try:
            folder = self._copies.path()
        except OSError:
            return []
        return [folder / table.member for table in tables]

    def _folder_manifest(self) -> Manifest:
        try:
            with _regular(self.path / MANIFEST) as file:
                return self._parsed(file)
        except OSError as error:
            raise TraceFileError(
                f"{self.path}: a folder without a readable {MANIFEST}: {error.strerror}",
                _instead_of(self.path),
            ) from None

    def _zip_manifest(self, archive: zipfile.ZipFile) -> Manifest:
        with self._member(archive, MANIFEST) as source:
            return self._parsed(source)

    def _parsed(self, source: IO[bytes]) -> Manifest:
        text = source.read(MANIFEST_BYTES + 1)
        if len(text) > MANIFEST_BYTES:
            raise TraceFileError(f"{self.path}: {MANIFEST} is absurdly large", "The file is damaged.")
        self._digest = hashlib.sha256(text).hexdigest()
        return parse_manifest(text, str(self.path))

    @contextmanager
    def _member(self, archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
        """Opens a member of the zip; failures to read it are raised as TraceFileError.

        Members must not be compressed, so that none can be larger than the zip itself.
        """
        if sum(one.filename == name for one in archive.infolist()) > 1:
            raise TraceFileError(f"{self.path}: it holds {name} twice", "The file is damaged.")
        try:
            if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
                raise TraceFileError(f"{self.path}: {name} is compressed", "Unzip the file and name the folder.")
            with archive.open(name) as source:
                yield source
        except KeyError:
            what = "a zip, but not a bpfrec trace" if name == MANIFEST else "damaged"
            raise TraceFileError(f"{self.path}: {what}: it holds no {name}") from None
        except ZIP_ERRORS as error:
            raise TraceFileError(f"{self.path}: {name} is damaged: {error}", "Ask for the file again.") from None

    def _in_folder(self, table: Table) -> Path:
        path = self.path / table.member
        try:
            _regular(path).close()
        except FileNotFoundError:
            raise TraceFileError(f"{self.path}: {table.member} is missing although {MANIFEST} lists it") from None
        except OSError as error:
            raise TraceFileError(
                f"{path}: {error.strerror}", "The tables of a trace are plain files; copy what is linked."
            ) from None
        return path

    def _copy(self, table: Table, archive: zipfile.ZipFile) -> Path:
        try:
            folder = self._copies.path()
        except OSError as error:
            raise TraceFileError(
                f"no temporary folder for {table.member}: {error.strerror}",
                "Set TMPDIR to a folder with room, or unzip the trace and name the folder.",
            ) from None
        target = folder / table.member
        entry = self.manifest.tables[table.name]
        digest = hashlib.sha256()
        with self._member(archive, table.member) as source:
            if (size := archive.getinfo(table.member).file_size) > entry.bytes:
                raise TraceFileError(
                    f"{self.path}: {table.member} is damaged: it has {size:,} bytes instead of {entry.bytes:,}",
                    "Ask for the file again.",
                )
            try:
                with target.open("wb") as copy:
                    while block := source.read(_COPY_BYTES):
                        digest.update(block)
                        copy.write(block)
            except OSError as error:
                free = shutil.disk_usage(folder).free
                raise TraceFileError(
                    f"{folder}: cannot unpack {table.member} ({entry.bytes:,} bytes, {free:,} free): {error.strerror}",
                    "Set TMPDIR to a folder with room, or unzip the trace and name the folder.",
                ) from None
        if digest.hexdigest() != entry.sha256:
            raise TraceFileError(
                f"{self.path}: {table.member} is damaged: its checksum is wrong", "Ask for the file again."
            )
        return target


def table_rows(manifest: Manifest) -> dict[str, int]:
    """Returns the number of rows of each table that the trace has, by name in the order of :data:`TABLES`."""
    return {t.name: manifest.tables[t.name].rows for t in TABLES if t.name in manifest.tables}


def _regular(path: Path) -> IO[bytes]:
    """Opens a plain file for reading: no link, device or pipe, which could lead elsewhere or have no end.

    Raises:
        OSError: it is none, or cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        with path.open("rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode) and directory_bytes(file) > DIRECTORY_BYTES:
                raise TraceFileError(f"{path}: its zip directory is absurdly large", "The file is damaged.")
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise TraceFileError(
            f"{path}: no such trace",
            "Record one with: sudo bpfrec record -p PID -d 10   or name one with: bpfrec analyze -i FILE ...",
        ) from None
    except PermissionError:
        raise TraceFileError(f"{path}: not readable by this user", f"Its owner may run: chmod a+r {path}") from None
    except OSError as error:
        raise TraceFileError(f"{path}: {error.strerror or error}") from None
    except ZIP_ERRORS:
        raise TraceFileError(
            f"{path}: not a bpfrec trace, or one cut short (no zip directory at its end)",
            "If it was copied, compare its size with the original.",
        ) from None
