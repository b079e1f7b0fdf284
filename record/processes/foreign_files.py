"""Opens files that belong to recorded processes, as their users could: in a helper, for any step of it may hang.

What is on a network or FUSE file system is copied, because it may hang later. What is on a disk is opened.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.untrusted_files import open_below, reopened
from bpfrec.record.processes.acting import acting_as
from bpfrec.record.processes.procfs import Reader

# include/uapi/linux/magic.h, and of ZFS and bcachefs their own headers: what does not wait for anybody else.
_LOCAL = frozenset(
    (
        *(0xEF53, 0x58465342, 0x9123683E, 0x01021994, 0x794C7630, 0x73717368, 0xE0F5E1E2, 0xF2F52010, 0x2FC12FC1),
        *(0x858458F6, 0x958458F6, 0x9660, 0x4D44, 0x2011BAB0, 0xCA451A4E, 0x3153464A, 0x24051905, 0x52654973),
    )
)
_STATFS_BYTES = 256
_BLOCK = 1 << 20

TOO_LARGE = "too large to be copied from its file system"
REFUSED = "its user may not read it"


@dataclass(frozen=True)
class Wanted:
    """The file that was mapped: its build id (hex), or else its inode number; None where it is not known."""

    build_id: str | None
    inode: int | None


@dataclass(frozen=True)
class Place:
    """Where a file may be: ``name`` below the folder ``root``, which no link leads out of. '' is ``root`` itself."""

    root: str
    name: str


def open_mapped(
    places: Sequence[Place], wanted: Wanted, reader: Reader | None, most_copied: int
) -> tuple[str | None, int | None]:
    """Opens the first of ``places`` that is the ``wanted`` file; why it is not to be used, '' where it is.

    None: there is no such file. At most ``most_copied`` bytes are copied. ``reader`` None: the process has gone, and it
    is not known who its user was. Then only a file that all may read is taken. A mapped file has no links in its name,
    so none are followed: they would lead to another file.
    """
    for place in places:
        with suppress(OSError, ValueError, NotElfError):
            file = _opened(place, reader)
            try:
                if wanted.build_id is None and wanted.inode and os.fstat(file).st_ino != wanted.inode:
                    continue
                if not may_read(os.fstat(file), reader):
                    if reader is None:
                        continue
                    return REFUSED, None
                content = _content(file, most_copied)
            finally:
                os.close(file)
            if content is None:
                return TOO_LARGE, None
            if wanted.build_id is None or _build_id(content) == wanted.build_id:
                return "", content
            os.close(content)
    return None, None


def open_local(root: str, folder: str, name: str, reader: Reader | None) -> tuple[str | None, int | None]:
    """Opens the file ``name``, which is no link, of ``folder`` below ``root`` for reading from time to time.

    None where there is none, or where its user may not read it; it is never on a file system that may hang.
    """
    with suppress(OSError, ValueError):
        top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        place = file = -1
        try:
            with _as(reader):
                place = open_below(top, folder, os.O_DIRECTORY)
                file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            found = os.fstat(file)
            if stat.S_ISREG(found.st_mode) and may_read(found, reader) and _is_local(file):
                return "", reopened(file)
        finally:
            for number in (top, place, file):
                if number >= 0:
                    os.close(number)
    return None, None


def may_read(found: os.stat_result, reader: Reader | None) -> bool:
    """Whether the permissions of a file let ``reader`` read it, or make itself able to. None: whether all may."""
    if reader is None:
        return bool(found.st_mode & stat.S_IROTH)
    if reader.uid in (0, found.st_uid):
        return True
    bit = stat.S_IRGRP if found.st_gid in (reader.gid, *reader.groups) else stat.S_IROTH
    return bool(found.st_mode & bit)


def _opened(place: Place, reader: Reader | None) -> int:
    """Opens a regular file without reading anything of it.

    Raises:
        OSError: there is none.
    """
    file = os.open(place.root, os.O_PATH | os.O_CLOEXEC)
    if place.name:
        top = file
        try:
            with _as(reader):
                file = open_below(top, place.name, links=reader is not None)
        finally:
            os.close(top)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{place} is no regular file")
    return file


def _content(file: int, most_copied: int) -> int | None:
    """A descriptor for reading a local file, or a copy of another; None where that would be too large."""
    source = reopened(file)
    if _is_local(file):
        return source
    copy = os.memfd_create("bpfrec", os.MFD_CLOEXEC)
    left = most_copied
    try:
        while block := os.read(source, _BLOCK):
            left -= len(block)
            if left < 0:
                os.close(copy)
                return None
            os.write(copy, block)
    except OSError:
        os.close(copy)
        raise
    finally:
        os.close(source)
    os.lseek(copy, 0, os.SEEK_SET)
    return copy


def _build_id(content: int) -> str | None:
    with os.fdopen(content, "rb", closefd=False) as file:
        build_id = ElfFile(file).build_id
        file.seek(0)
        return build_id


def _is_local(file: int) -> bool:
    """Whether the file system of a file answers by itself, by fstatfs(2)."""
    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if ctypes.CDLL(None, use_errno=True).fstatfs(file, found):
        raise OSError(ctypes.get_errno(), "fstatfs")
    return int.from_bytes(found.raw[:4], "little") in _LOCAL


@contextmanager
def _as(reader: Reader | None) -> Iterator[None]:
    """Gives this process, which has one thread, the rights of ``reader`` for a while, if it may; None: no others."""
    with ExitStack() as stack:
        if reader is not None and reader.uid and not os.geteuid():
            with suppress(PermissionError):
                stack.enter_context(acting_as(reader.uid, reader.gid, reader.groups))
        yield


def map_file(process: Path, start: int, end: int) -> Place:
    """The mapped file itself, even if it is deleted or in another mount namespace: proc_pid_map_files(5)."""
    return Place(str(process / "map_files" / f"{start:x}-{end:x}"), "")
