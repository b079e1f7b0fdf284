"""The files that processes execute code from, opened while they can be, and the functions in them.

A process may end, or its files be replaced, before the recording is finished: each file is opened when its mapping is
first seen and held open until then.
"""

from __future__ import annotations

import ctypes
import io
import os
import resource
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.symbols.debug_files import SYSTEM_FOLDER, DebugFolders, linked_file
from bpfrec.formats.symbols.dwarf_lines import SourceLine
from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.symbols.elf_symbols import Symbol
from bpfrec.formats.symbols.source_lines import Budget
from bpfrec.formats.symbols.symbolizer import Symbolizer
from bpfrec.formats.untrusted_files import open_regular
from bpfrec.record.processes.procfs import PROC, executable_maps
from bpfrec.record.stacks.unwind.eh_frame import UnwindTable

LINES_BUDGET = 8 << 20
"""Bytes of debug information that the finish of a recording reads one by one: some seconds' worth."""

SYMBOLS_BUDGET = 1 << 30
"""Bytes of symbol tables that are kept for all files: forty million symbols."""

_VDSO = "[vdso]"
_DELETED = " (deleted)"
# A runtime makes code in these, and a program may be executed from a memfd.
_NO_FILES = ("//anon", "/memfd:", "/dev/zero", "/anon_hugepage")

Identity = tuple[str, ...]

MappedAddress = tuple[Mapping, int]
"""An address in a process, and what is mapped there."""


@dataclass
class _Module:
    file: BinaryIO
    path: str
    elf: ElfFile | None = None
    unwinding: UnwindTable | None = None
    failure: str = ""
    symbols: Symbolizer | None = None
    debug: list[BinaryIO] = field(default_factory=list)


class Modules:
    """Open files by what identifies them: build id, or device and inode, or path.

    ``unread_lines``: addresses whose source lines would have taken too long to find; ``unread_symbols``: files whose
    symbol tables found no room.
    """

    def __init__(self) -> None:
        self._modules: dict[Identity, _Module] = {}
        self._debug_folders = DebugFolders([SYSTEM_FOLDER], search=False)
        self.unread_lines = self.unread_symbols = 0
        self._symbols_left = SYMBOLS_BUDGET
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            with suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def hold(self, mapping: Mapping, ancestors: Sequence[int] = ()) -> None:
        """Opens the file of ``mapping`` unless it is held already; where that fails, another mapping may succeed.

        ``ancestors`` of its process, nearest first, are in the same mount namespace, mostly: it may have ended.
        """
        identity = _identity(mapping)
        if identity is None or identity in self._modules:
            return
        file = _vdso() if mapping.path == _VDSO else _open(mapping, ancestors)
        if file is not None:
            self._modules[identity] = _Module(file, mapping.path)

    def locate(self, mapping: Mapping, address: int) -> tuple[int | None, Symbol | None]:
        """The address in ``mapping``'s file that ``address`` of the process is, and the function there."""
        module = self._module(mapping)
        in_file = _in_file(module, mapping, address)
        if module is None or in_file is None:
            return None, None
        return in_file, self._symbols(module).symbol_at(in_file)

    def lines(self, addresses: Iterable[MappedAddress]) -> dict[MappedAddress, SourceLine]:
        """The source lines of ``addresses``, as far as debug information has them."""
        modules: dict[int, _Module] = {}
        wanted: dict[int, dict[int, list[MappedAddress]]] = {}
        for mapped in addresses:
            module = self._module(mapped[0])
            in_file = _in_file(module, *mapped)
            if module is not None and in_file is not None:
                modules[id(module)] = module
                wanted.setdefault(id(module), {}).setdefault(in_file, []).append(mapped)
        found: dict[MappedAddress, SourceLine] = {}
        budget = Budget(LINES_BUDGET)
        for number, of_module in wanted.items():
            lines, unread = self._symbols(modules[number]).lines(of_module, budget)
            self.unread_lines += unread
            found |= {mapped: line for in_file, line in lines.items() for mapped in of_module[in_file]}
        return found

    def unwind_table(self, mapping: Mapping) -> UnwindTable | None:
        """The unwind table of ``mapping``'s file; None where the file is not held or is no ELF file."""
        module = self._module(mapping)
        if module is None or module.elf is None:
            return None
        if module.unwinding is None:
            module.unwinding = UnwindTable(module.elf)
        return module.unwinding

    def build_id(self, mapping: Mapping) -> str | None:
        """The build id of ``mapping``'s file, from the kernel or from the file."""
        if mapping.build_id:
            return mapping.build_id
        module = self._module(mapping)
        return module.elf.build_id if module and module.elf else None

    def file(self, mapping: Mapping) -> BinaryIO | None:
        """The file that is held for ``mapping``, if it is an ELF file; the same object for the same file."""
        module = self._module(mapping)
        return module.file if module else None

    def close(self) -> None:
        """Closes all files."""
        for module in self._modules.values():
            for file in (module.file, *module.debug):
                file.close()
        self._modules.clear()

    def _module(self, mapping: Mapping) -> _Module | None:
        """What is held for ``mapping``, if it is an ELF file."""
        identity = _identity(mapping)
        module = self._modules.get(identity) if identity else None
        if module is None or module.failure:
            return None
        if module.elf is None:
            try:
                module.elf = ElfFile(module.file)
            except NotElfError as error:
                module.failure = str(error)
                return None
        return module

    def _symbols(self, module: _Module) -> Symbolizer:
        if module.symbols is None:
            elf = module.elf or ElfFile(module.file)
            module.debug = list(self._debug_folders.find(elf.build_id)) if elf.build_id else []
            linked = None if module.debug else linked_file(elf, Path(module.path.removesuffix(_DELETED)))
            if linked is not None:
                module.debug.append(linked)
            files = [*map(ElfFile, module.debug), elf]
            size = sum(file.symbol_bytes for file in files)
            if size > self._symbols_left:
                self.unread_symbols += 1
                files = []
            else:
                self._symbols_left -= size
            module.symbols = Symbolizer(files)
        return module.symbols


def _in_file(module: _Module | None, mapping: Mapping, address: int) -> int | None:
    elf = module.elf if module else None
    return elf.address_of(address - mapping.start + mapping.offset) if elf else None


def has_file(mapping: Mapping) -> bool:
    """Whether there is a file, or what can be read as one, behind the code there."""
    return _identity(mapping) is not None


def may_hold_jit_code(mapping: Mapping) -> bool:
    """Whether a runtime may have made the code there: what is behind it, if anything, is no file that has a name."""
    return not mapping.path.startswith(("/", "[v")) or mapping.path.startswith(_NO_FILES)


def _identity(mapping: Mapping) -> Identity | None:
    if mapping.path == _VDSO:
        return (_VDSO,)
    if mapping.build_id:
        return ("build-id", mapping.build_id)
    if not mapping.path.startswith("/") or mapping.path.startswith("//"):
        # The kernel writes "//anon" where there is no file.
        return None
    if mapping.inode:
        return ("inode", str(mapping.device), str(mapping.inode))
    return ("path", mapping.path)


def _open(mapping: Mapping, ancestors: Sequence[int]) -> BinaryIO | None:
    process = PROC / str(mapping.pid)
    inside = mapping.path.removesuffix(_DELETED).lstrip("/")
    # map_files is the mapped file itself, deleted or in another mount namespace as it may be.
    for path in (
        process / "map_files" / f"{mapping.start:x}-{mapping.end:x}",
        *(PROC / str(pid) / "root" / inside for pid in (mapping.pid, *ancestors)),
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
