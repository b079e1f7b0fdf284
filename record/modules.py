"""The files that processes execute code from, opened while they can be, and the functions in them.

A process may end, or its files be replaced, before the recording is finished: each file is opened when its mapping is
first seen and held open until then.
"""

from __future__ import annotations

import ctypes
import io
import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.elf import ElfFile, NotElfError
from bpfrec.formats.elf_symbols import Symbol
from bpfrec.record.procfs import PROC, executable_maps, open_regular
from bpfrec.record.unwind.eh_frame import UnwindTable

_VDSO = "[vdso]"
_DELETED = " (deleted)"

Identity = tuple[str, ...]


@dataclass
class _Module:
    file: BinaryIO
    elf: ElfFile | None = None
    unwinding: UnwindTable | None = None
    failure: str = ""


class Modules:
    """Open files by what identifies them: build id, or device and inode, or path."""

    def __init__(self) -> None:
        self._modules: dict[Identity, _Module] = {}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def hold(self, mapping: Mapping) -> None:
        """Opens the file of ``mapping`` unless it is held already; where that fails, another mapping may succeed."""
        identity = _identity(mapping)
        if identity is None or identity in self._modules:
            return
        file = _vdso() if mapping.path == _VDSO else _open(mapping)
        if file is not None:
            self._modules[identity] = _Module(file)

    def locate(self, mapping: Mapping, address: int) -> tuple[int | None, Symbol | None]:
        """The address in ``mapping``'s file that ``address`` of the process is, and the function there."""
        elf = self._elf(mapping)
        if elf is None:
            return None, None
        in_file = elf.address_of(address - mapping.start + mapping.offset)
        return in_file, None if in_file is None else elf.symbol_at(in_file)

    def unwind_table(self, mapping: Mapping) -> UnwindTable | None:
        """The unwind table of ``mapping``'s file; None where the file is not held or is no ELF file."""
        elf = self._elf(mapping)
        identity = _identity(mapping)
        if elf is None or identity is None:
            return None
        module = self._modules[identity]
        if module.unwinding is None:
            module.unwinding = UnwindTable(elf)
        return module.unwinding

    def build_id(self, mapping: Mapping) -> str | None:
        """The build id of ``mapping``'s file, from the kernel or from the file."""
        if mapping.build_id:
            return mapping.build_id
        elf = self._elf(mapping)
        return elf.build_id if elf else None

    def close(self) -> None:
        """Closes all files."""
        for module in self._modules.values():
            module.file.close()
        self._modules.clear()

    def _elf(self, mapping: Mapping) -> ElfFile | None:
        identity = _identity(mapping)
        module = self._modules.get(identity) if identity else None
        if module is None or module.failure:
            return None
        if module.elf is None:
            try:
                module.elf = ElfFile(module.file)
            except NotElfError as error:
                module.failure = str(error)
        return module.elf


def is_generated(mapping: Mapping) -> bool:
    """Whether a runtime made the code there: no file is behind it."""
    return not mapping.path.startswith(("/", "[v")) or mapping.path.startswith(("//anon", "/memfd:", "/dev/zero"))


def _identity(mapping: Mapping) -> Identity | None:
    if mapping.path == _VDSO:
        return (_VDSO,)
    if mapping.build_id:
        return ("build-id", mapping.build_id)
    if not mapping.path.startswith("/") or mapping.path.startswith("//"):
        return None
    if mapping.inode:
        return ("inode", str(mapping.device), str(mapping.inode))
    return ("path", mapping.path)


def _open(mapping: Mapping) -> BinaryIO | None:
    process = PROC / str(mapping.pid)
    # map_files is the mapped file itself, deleted or in another mount namespace as it may be.
    for path in (
        process / "map_files" / f"{mapping.start:x}-{mapping.end:x}",
        process / "root" / mapping.path.removesuffix(_DELETED).lstrip("/"),
        Path(mapping.path),
    ):
        file = open_regular(path)
        if file is None:
            continue
        if _is_the_file(file, mapping):
            return file
        file.close()
    return None


def _is_the_file(file: BinaryIO, mapping: Mapping) -> bool:
    """Whether ``file`` is what was mapped and not what has taken its path since."""
    if mapping.build_id:
        try:
            return ElfFile(file).build_id == mapping.build_id
        except NotElfError:
            return False
    if mapping.inode:
        return os.fstat(file.fileno()).st_ino == mapping.inode
    return True


def _vdso() -> BinaryIO | None:
    """The vdso: the kernel maps the same one into every 64-bit process, this one too."""
    for line in executable_maps(os.getpid()):
        if line.path == _VDSO:
            return io.BytesIO(ctypes.string_at(line.start, line.end - line.start))
    return None
