"""Opening a trace: a ``.bpfrec`` zip or the plain folder it unzips to.

DuckDB reads Parquet from files, and a zip member is no file: a table that is asked for is copied once into a
private temporary folder, its checksum compared on the way. A folder is read in place.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType

from bpfrec.formats.errors import TraceFileError
from bpfrec.formats.manifest import MANIFEST, Manifest, parse_manifest
from bpfrec.formats.schema import TABLES, Table

_COPY_BYTES = 1 << 20
_MANIFEST_BYTES = 64 << 20


class TraceReader:
    """The files of one trace; a context manager that removes its copies.

    Raises:
        TraceFileError: missing, not a trace, damaged, or of a newer format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._zip: zipfile.ZipFile | None = None
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self._tables: dict[str, Path] = {}
        if self.path.is_dir():
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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file and removes what was copied out of it."""
        if self._zip:
            self._zip.close()
        if self._copies:
            self._copies.cleanup()
            self._copies = None

    def parquet(self, table: Table) -> Path | None:
        """The Parquet file of ``table``, or None where this trace has no such table.

        Raises:
            TraceFileError: the table is damaged or missing although the manifest lists it.
        """
        if table.name not in self.manifest.tables:
            return None
        if table.name not in self._tables:
            self._tables[table.name] = self._copy(table, self._zip) if self._zip else self._in_folder(table)
        return self._tables[table.name]

    def _folder_manifest(self) -> Manifest:
        try:
            return parse_manifest((self.path / MANIFEST).read_bytes(), str(self.path))
        except OSError as error:
            raise TraceFileError(
                f"{self.path}: a folder without a readable {MANIFEST}: {error.strerror}",
                "Name a .bpfrec file, or the folder that one was unzipped to.",
            ) from None

    def _zip_manifest(self, archive: zipfile.ZipFile) -> Manifest:
        try:
            if archive.getinfo(MANIFEST).file_size > _MANIFEST_BYTES:
                raise TraceFileError(f"{self.path}: {MANIFEST} is absurdly large", "The file is damaged.")
            return parse_manifest(archive.read(MANIFEST), str(self.path))
        except KeyError:
            raise TraceFileError(f"{self.path}: a zip, but not a bpfrec trace: it holds no {MANIFEST}") from None
        except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError) as error:
            raise TraceFileError(f"{self.path}: damaged: {error}", "Ask for the file again.") from None

    def _in_folder(self, table: Table) -> Path:
        path = self.path / table.member
        if not path.is_file():
            raise TraceFileError(f"{self.path}: {table.member} is missing although {MANIFEST} lists it")
        return path

    def _copy(self, table: Table, archive: zipfile.ZipFile) -> Path:
        if self._copies is None:
            self._copies = tempfile.TemporaryDirectory(prefix="bpfrec-")
        target = Path(self._copies.name) / table.member
        entry = self.manifest.tables[table.name]
        digest = hashlib.sha256()
        try:
            if archive.getinfo(table.member).file_size != entry.bytes:
                raise TraceFileError(f"{self.path}: {table.member} has another size than {MANIFEST} says", "The file is damaged.")
            with archive.open(table.member) as source, target.open("wb") as copy:
                while block := source.read(_COPY_BYTES):
                    digest.update(block)
                    copy.write(block)
        except KeyError:
            raise TraceFileError(f"{self.path}: {table.member} is missing although {MANIFEST} lists it") from None
        except OSError as error:
            free = shutil.disk_usage(self._copies.name).free
            raise TraceFileError(
                f"{self._copies.name}: cannot unpack {table.member} ({entry.bytes:,} bytes, {free:,} free): {error.strerror}",
                "Set TMPDIR to a folder with room, or unzip the trace and name the folder.",
            ) from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            raise TraceFileError(f"{self.path}: {table.member} is damaged: {error}", "Ask for the file again.") from None
        if digest.hexdigest() != entry.sha256:
            raise TraceFileError(f"{self.path}: {table.member} is damaged: its checksum is wrong", "Ask for the file again.")
        return target


def table_rows(manifest: Manifest) -> dict[str, int]:
    """Rows per table of :data:`TABLES` that the trace has."""
    return {t.name: manifest.tables[t.name].rows for t in TABLES if t.name in manifest.tables}


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise TraceFileError(
            f"{path}: no such trace",
            "Record one with: sudo bpfrec record -p PID -d 10   or name one with: bpfrec analyze -i FILE ...",
        ) from None
    except PermissionError:
        raise TraceFileError(f"{path}: not readable by this user", f"Its owner may run: chmod a+r {path}") from None
    except OSError as error:
        raise TraceFileError(f"{path}: {error.strerror}") from None
    except zipfile.BadZipFile:
        raise TraceFileError(
            f"{path}: not a bpfrec trace, or one cut short (no zip directory at its end)",
            "If it was copied, compare its size with the original.",
        ) from None
