"""Compiled programs, and facts of the kernel that they need, kept from one recording to the next.

Compiling takes longer than all else at the start.

What is kept here is run by the kernel with all rights, so only root's files in a folder that is root's alone are read.
Everything else, and what is damaged or was made by another bcc, is as good as nothing.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bpfrec.bpf.compiled import BadProgramError, CompiledProgram
from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.kept_files import KeptFiles, UnsafeError

VARIABLE = "BPFREC_CACHE"
"""Environment variable: ``off``, or the folder of the cache."""

FOLDER = Path("/var/cache/bpfrec")

_log = logging.getLogger(__name__)

_ROOT = 0
_OFF = "off"
_PROGRAM, _FACTS = ".program", ".facts"
_LARGEST = 1 << 24
_MOST_PROGRAMS = 64


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
        if (data := self._read(key + _PROGRAM)) is None:
            return None
        try:
            program, origin = _unpacked(data, key)
        except BadProgramError as error:
            _log.info("the kept program is not used: %s", error)
            return None
        if not origin.is_there():
            _log.info("the kept program is not used: %s has changed", origin.path)
            return None
        return program

    def put(self, key: str, program: CompiledProgram, origin: Origin) -> None:
        """Keeps ``program``, which ``origin`` has compiled, under ``key``; if that fails, the log says why."""
        self._write(key + _PROGRAM, _packed(program, origin, key))

    def get_facts(self, key: str) -> bytes | None:
        """The facts kept under ``key``; None if there are none that can be trusted."""
        return self._read(key + _FACTS)

    def put_facts(self, key: str, facts: bytes) -> None:
        """Keeps ``facts`` under ``key``; if that fails, the log says why."""
        self._write(key + _FACTS, facts)

    def _read(self, name: str) -> bytes | None:
        if (files := self._files()) is None:
            return None
        try:
            return files.get(name)
        except FileNotFoundError:
            return None
        except (OSError, UnsafeError) as error:
            _log.info("what is kept is not used: %s", error)
            return None

    def _write(self, name: str, data: bytes) -> None:
        if (files := self._files()) is None:
            return
        try:
            files.put(name, data)
        except (OSError, UnsafeError) as error:
            _log.info("%s is not kept: %s", name, error)

    def _files(self) -> KeptFiles | None:
        if self._folder is None:
            return None
        # Versions of bpfrec, bcc and the kernel come and go.
        most = _MOST_PROGRAMS
        return KeptFiles(self._folder, self._owner, _LARGEST, most, most * _LARGEST, makes_parents=False)


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
    return head + b"\n" + program.to_bytes()


def _unpacked(data: bytes, key: str) -> tuple[CompiledProgram, Origin]:
    head, _, program = data.partition(b"\n")
    try:
        said = json.loads(head)
        if said.pop("key") != key:
            raise BadProgramError("it is another one")
        return CompiledProgram.from_bytes(program), Origin(**said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadProgramError(str(error)) from None
