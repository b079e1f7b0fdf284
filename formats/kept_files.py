"""Files that are kept from one run to the next in a folder of one user, such as a cache.

Only what nobody else can have put there is read: files of that user in a folder that is that user's alone, and whose
path leads through no folder that others may write to.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_ROOT = 0
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_DIGEST = sha256(b"").digest_size


class UnsafeError(Exception):
    """Why a file or folder is not trusted, or what is wrong with a file."""


@dataclass(frozen=True)
class KeptFiles:
    """Files in ``folder``, which is made when it is first needed.

    ``owner``: the user id to whom folder and files must belong; nobody else uses them. ``largest``: the most bytes of a
    file. At most ``most_files`` and ``most_bytes`` are kept; those used longest ago go first. ``makes_parents``:
    whether folders above it are made, too.
    """

    folder: Path
    owner: int
    largest: int
    most_files: int
    most_bytes: int
    makes_parents: bool = True

    def get(self, name: str) -> bytes:
        """What was kept under this name.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
            UnsafeError: others can have written it, or it is damaged.
        """
        with self._opened() as folder, os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self.owner or found.st_mode & _OTHERS_WRITE:
                raise UnsafeError(f"others may have written {name}")
            if found.st_nlink != 1 or found.st_size > self.largest:
                raise UnsafeError(f"{name} is no file of the cache")
            digest, data = file.read(_DIGEST), file.read(self.largest)
            if sha256(data).digest() != digest:
                raise UnsafeError(f"{name} is damaged")
            with suppress(OSError):
                os.utime(file.fileno())
            return data

    def put(self, name: str, data: bytes) -> None:
        """Keeps ``data`` under this name: as a whole or not at all.

        Raises:
            OSError: it cannot be written.
            UnsafeError: the folder, or one above it, is open to others, or there are too many bytes.
        """
        if len(data) + _DIGEST > self.largest:
            raise UnsafeError(f"{name} would be too large")
        with self._opened(make=True) as folder:
            waiting = f".{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(waiting, flags, 0o600, dir_fd=folder), "wb") as file:
                try:
                    file.write(sha256(data).digest())
                    file.write(data)
                    file.flush()
                    os.rename(waiting, name, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with suppress(OSError):
                        os.unlink(waiting, dir_fd=folder)
                    raise
            self._remove_oldest(folder)

    @contextmanager
    def _opened(self, *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder, each part of whose path was checked; ``make``: what is missing is made."""
        if not self.folder.is_absolute() or ".." in self.folder.parts:
            raise UnsafeError(f"{self.folder} is no whole path")
        if os.geteuid() != self.owner:
            raise UnsafeError(f"{self.folder} is another user's")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        at = os.open("/", flags)
        try:
            *parents, last = self.folder.parts[1:]
            for part in (*parents, last):
                self._check_parent(at, part)
                if make and (part is last or self.makes_parents) and os.fstat(at).st_uid == self.owner:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=at)
                inner = os.open(part, flags, dir_fd=at)
                os.close(at)
                at = inner
            found = os.fstat(at)
            if found.st_uid != self.owner or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise UnsafeError(f"{self.folder} is open to others, or theirs")
            yield at
        finally:
            os.close(at)

    def _check_parent(self, folder: int, part: str) -> None:
        found = os.fstat(folder)
        if found.st_uid not in (_ROOT, self.owner) or (
            found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX
        ):
            raise UnsafeError(f"others may put something else in the place of {part} in {self.folder}")

    def _remove_oldest(self, folder: int) -> None:
        """Removes what is beyond the bounds, and what a killed process left."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        found.append((status.st_mtime_ns, status.st_size, entry.name))
        size = 0
        for number, (_, length, name) in enumerate(sorted(found, reverse=True)):
            size += length
            if number >= self.most_files or size > self.most_bytes:
                with suppress(OSError):
                    os.unlink(name, dir_fd=folder)
