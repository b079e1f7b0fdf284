"""Finds separate debug files: by build id in folders, or by the link that a program has to its debug file.

Layouts: gdb's manual, "Separate Debug Files"; debuginfod-find(1) for its cache. A file is taken only if its build id,
or its checksum if there is none, is the one that was asked for.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.untrusted_files import open_regular

SYSTEM_FOLDER = Path("/usr/lib/debug")
"""Where distributions put debug files."""

MOST_FILES = 200_000
"""How many files in one folder are searched for a build id."""

OpenFile = Callable[[Path], BinaryIO | None]
"""Opens a regular file for reading; None where that cannot be done."""

_BUILD_ID = re.compile(r"[0-9a-f]{4,128}")
_BLOCK = 1 << 20
_LARGEST_WITHOUT_ID = 1 << 30


class DebugFolders:
    """Folders with debug files.

    ``search``: also finds files that no layout leads to; reads the build ids of all files once for that.
    ``open_file`` opens them.
    """

    def __init__(self, folders: Iterable[Path], *, search: bool = True, open_file: OpenFile = open_regular) -> None:
        self._folders = tuple(folders)
        self._open = open_file
        self._index: dict[str, list[Path]] | None = None if search else {}

    def find(self, build_id: str) -> Iterator[BinaryIO]:
        """Opens the files with this build id (hex); the caller closes them."""
        # It may come from a stranger's trace, and becomes part of a path.
        if not _BUILD_ID.fullmatch(build_id):
            return
        found = False
        for folder in self._folders:
            for path in _by_layout(folder, build_id):
                file = self._checked(path, build_id)
                if file is not None:
                    found = True
                    yield file
        if found:
            return
        if self._index is None:
            self._index = _index(self._folders)
        for path in self._index.get(build_id, ()):
            file = self._checked(path, build_id)
            if file is not None:
                yield file

    def _checked(self, path: Path, build_id: str) -> BinaryIO | None:
        file = self._open(path)
        if file is not None and _build_id(file) != build_id:
            file.close()
            return None
        return file


def linked_file(
    elf: ElfFile, path: Path, folder: Path = SYSTEM_FOLDER, open_file: OpenFile = open_regular
) -> BinaryIO | None:
    """Opens the debug file that ``elf``, the file at ``path``, has a link to: beside it, or under ``folder``."""
    link = elf.debug_link
    if link is None:
        return None
    name, checksum = link
    for place in debug_places(path, folder):
        file = open_file(place / name)
        if file is None:
            continue
        if _is_linked(file, elf.build_id, checksum):
            return file
        file.close()
    return None


def debug_places(path: Path, folder: Path = SYSTEM_FOLDER) -> tuple[Path, ...]:
    """The folders where the debug file may be that the file at ``path`` has a link to."""
    return path.parent, path.parent / ".debug", folder / str(path.parent).lstrip("/")


def _is_linked(file: BinaryIO, build_id: str | None, checksum: int) -> bool:
    try:
        found = ElfFile(file).build_id
    except NotElfError:
        return False
    if build_id is not None or found is not None:
        return build_id == found
    if file.seek(0, os.SEEK_END) > _LARGEST_WITHOUT_ID:
        return False
    file.seek(0)
    actual = 0
    while block := file.read(_BLOCK):
        actual = zlib.crc32(block, actual)
    return actual == checksum


def _by_layout(folder: Path, build_id: str) -> Iterator[Path]:
    first, rest = build_id[:2], build_id[2:]
    for base in (folder, folder / ".build-id", folder / "usr/lib/debug/.build-id"):
        yield base / first / f"{rest}.debug"
        yield base / first / rest
    for name in ("debuginfo", "executable"):
        yield folder / build_id / name


def _build_id(file: BinaryIO) -> str | None:
    try:
        return ElfFile(file).build_id
    except (NotElfError, OSError):
        return None


def _index(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """The files in and below ``folders`` by build id."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for number, path in enumerate(_files(folder)):
            if number >= MOST_FILES:
                break
            file = open_regular(path)
            if file is None:
                continue
            with file:
                build_id = _build_id(file)
            if build_id is not None:
                found.setdefault(build_id, []).append(path)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(place, name)
