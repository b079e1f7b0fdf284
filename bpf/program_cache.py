"""Compiled programs, kept from one recording to the next: compiling takes longer than all else at the start.

What is kept here is run by the kernel with all rights, so only root's files in a folder that is root's alone are read.
Everything else, and what is damaged or was made by another bcc, is as good as nothing.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bpfrec.bpf.compiled import BadProgramError, CompiledProgram
from bpfrec.formats.errors import BpfrecError

VARIABLE = "BPFREC_CACHE"
"""Environment variable: ``off``, or the folder of the cache."""

FOLDER = Path("/var/cache/bpfrec")

_log = logging.getLogger(__name__)

_ROOT = 0
_OFF = "off"
_SUFFIX = ".program"
_LARGEST = 1 << 24
_MOST_PROGRAMS = 64
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class _UnsafeError(Exception):
    """Why a file or folder is not trusted."""


@dataclass(frozen=True)
class Origin:
    """The library that compiled a program: ``path``, ``size`` in bytes, time of its last change in ns."""

    path: str
    size: int
    changed: int

    @classmethod
    def of(cls, path: str) -> Origin:
        """That of the file at ``path``.

        Raises:
            OSError: there is none.
        """
        found = Path(path).stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def is_there(self) -> bool:
        """Whether the same library is still installed."""
        with suppress(OSError):
            return Origin.of(self.path) == self
        return False


class ProgramCache:
    """The cache in ``folder``, which is made when it is first needed; None: nothing is found and nothing is kept.

    ``owner``: the user id to whom folder and files must belong.
    """

    def __init__(self, folder: Path | None, owner: int = _ROOT) -> None:
        self._folder, self._owner = folder, owner

    def get(self, key: str) -> CompiledProgram | None:
        """The program kept under ``key``; None if there is none that can be trusted."""
        try:
            with self._opened() as folder:
                program, origin = _unpacked(self._read(folder, key + _SUFFIX), key)
        except FileNotFoundError:
            return None
        except (OSError, _UnsafeError, BadProgramError) as error:
            _log.info("the kept program is not used: %s", error)
            return None
        if not origin.is_there():
            _log.info("the kept program is not used: %s has changed", origin.path)
            return None
        return program

    def put(self, key: str, program: CompiledProgram, origin: Origin) -> None:
        """Keeps ``program``, which ``origin`` has compiled, under ``key``; if that fails, the log says why."""
        try:
            self._make()
            with self._opened() as folder:
                _write(folder, key + _SUFFIX, _packed(program, origin, key))
                _remove_oldest(folder)
        except (OSError, _UnsafeError) as error:
            _log.info("the program is not kept: %s", error)

    def _make(self) -> None:
        if self._folder is not None and os.geteuid() == self._owner:
            with suppress(FileExistsError):
                self._folder.mkdir(mode=0o700)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor of the folder, each part of whose path was checked."""
        if self._folder is None or os.geteuid() != self._owner:
            raise FileNotFoundError
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        at = os.open("/", flags)
        try:
            for part in self._folder.parts[1:]:
                self._check_parent(at, part)
                inner = os.open(part, flags, dir_fd=at)
                os.close(at)
                at = inner
            found = os.fstat(at)
            if found.st_uid != self._owner or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise _UnsafeError(f"{self._folder} is open to others, or theirs")
            yield at
        finally:
            os.close(at)

    def _check_parent(self, folder: int, part: str) -> None:
        found = os.fstat(folder)
        if found.st_uid not in (_ROOT, self._owner) or (
            found.st_mode & _OTHERS_WRITE and not found.st_mode & stat.S_ISVTX
        ):
            raise _UnsafeError(f"others may put something else in the place of {part} in {self._folder}")

    def _read(self, folder: int, name: str) -> bytes:
        descriptor = os.open(name, _READ, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self._owner or found.st_mode & _OTHERS_WRITE:
                raise _UnsafeError(f"others may have written {name}")
            if found.st_nlink != 1 or found.st_size > _LARGEST:
                raise _UnsafeError(f"{name} is no file of the cache")
            return file.read(_LARGEST)


def cache_of_environment() -> ProgramCache:
    """The cache that ``$BPFREC_CACHE`` names, or the usual one.

    Raises:
        BpfrecError: it names neither a folder by its whole path nor ``off``.
    """
    named = os.environ.get(VARIABLE, "")
    if named == _OFF:
        return ProgramCache(None)
    folder = Path(named) if named else FOLDER
    if not folder.is_absolute() or ".." in folder.parts:
        raise BpfrecError(
            f"{VARIABLE} is {named!r}, which is no folder", f"Name a folder by its whole path, or say {VARIABLE}={_OFF}"
        )
    return ProgramCache(folder)


def _packed(program: CompiledProgram, origin: Origin, key: str) -> bytes:
    head = json.dumps({"key": key, "path": origin.path, "size": origin.size, "changed": origin.changed}).encode()
    content = head + b"\n" + program.to_bytes()
    return sha256(content).hexdigest().encode() + b"\n" + content


def _unpacked(data: bytes, key: str) -> tuple[CompiledProgram, Origin]:
    digest, _, content = data.partition(b"\n")
    if digest != sha256(content).hexdigest().encode():
        raise BadProgramError("the file is damaged")
    head, _, program = content.partition(b"\n")
    try:
        said = json.loads(head)
        if said.pop("key") != key:
            raise BadProgramError("it is another one")
        return CompiledProgram.from_bytes(program), Origin(**said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadProgramError(str(error)) from None


def _write(folder: int, name: str, data: bytes) -> None:
    """Writes a file that is there as a whole or not at all."""
    waiting = f".{secrets.token_hex(8)}"
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.rename(waiting, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(waiting, dir_fd=folder)
        raise


def _remove_oldest(folder: int) -> None:
    """Removes all files but the newest: versions of bpfrec, bcc and the kernel come and go."""
    with os.scandir(folder) as entries:
        by_age = sorted(entries, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime_ns, reverse=True)
    for entry in by_age[_MOST_PROGRAMS:]:
        with suppress(OSError):
            os.unlink(entry.name, dir_fd=folder)
