"""Modules: the files that processes execute code from, with their functions and unwind tables.

A process may end, and its files may be replaced, before the recording is finished. So each file is opened when its
mapping is first seen, and stays open until then.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import resource
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bpfrec.bpf.sideband import Mapping
from bpfrec.formats.symbols.debug_files import SYSTEM_FOLDER, DebugFolders, debug_places, linked_file
from bpfrec.formats.symbols.elf import ElfFile, NotElfError
from bpfrec.formats.symbols.elf_symbols import Symbol
from bpfrec.record.processes import foreign_files
from bpfrec.record.processes.foreign_files import Place, Wanted
from bpfrec.record.processes.helpers import Helpers, Reply
from bpfrec.record.processes.procfs import NOBODY, PROC, Reader, executable_maps, living_thread, reader
from bpfrec.record.stacks.runtimes import Runtimes, ask_in_helper

if TYPE_CHECKING:
    from bpfrec.formats.symbols.dwarf_lines import SourceLine
    from bpfrec.formats.symbols.symbolizer import Symbolizer
    from bpfrec.record.stacks.unwind.eh_frame import UnwindTable

_log = logging.getLogger(__name__)

LINES_BUDGET = 8 << 20
"""How many bytes of debug information may be read one by one when a recording is finished: it takes some seconds."""

SYMBOLS_BUDGET = 1 << 30
"""How many bytes of symbol tables are kept for all files: forty million symbols."""

NAMELESS_BYTES = 1 << 28
"""How many bytes of deleted files, memfds and copies are held: they take room on the disk, or memory, until then."""

_MOST_FILES = 1 << 15
_ELF = b"\x7fELF"
_VDSO = "[vdso]"
_DELETED = " (deleted)"
# Runtimes put JIT code into these. A memfd may also hold a program.
_NO_FILES = ("//anon", "/memfd:", "/dev/zero", "/anon_hugepage")

Identity = tuple[str, ...]

OpenDebug = Callable[[Path, Reader | None], BinaryIO | None]
"""Opens a debug file as a user may; None: as nobody."""

MappedAddress = tuple[Mapping, int]
"""A mapping, and an address in it."""


@dataclass
class _Module:
    file: BinaryIO
    path: str
    elf: ElfFile | None = None
    unwinding: UnwindTable | None = None
    failure: str = ""
    opening: Reply | None = None
    used: int = 0
    size: int = 0
    is_held: bool = False
    reader: Reader | None = None
    symbols: Symbolizer | None = None
    functions: dict[int, Symbol | None] = field(default_factory=dict)
    lines: dict[int, SourceLine | None] = field(default_factory=dict)
    debug: list[BinaryIO] = field(default_factory=list)
    addresses: dict[bytes, int | None] = field(default_factory=dict)


class Modules:
    """The open files, each once: its identity is the build id, or device and inode, or the path.

    At most ``most_files`` are held open, and ``most_bytes`` of files that have no name any more, which take room as
    long as they are open; ``unheld``: how many files were not held for that reason, ``refused``: for the users of their
    processes may not read them. ``unread_lines``: how many addresses have no source line because finding it would have
    taken too long. ``unread_symbols``: how many files have no names because their symbol tables are too large.
    ``runtimes``: what is known of the runtimes in them.

    ``generation``: of what is held from now on; :meth:`forget` closes what belongs to older ones alone.

    Files are opened by ``helpers``. If that takes long, because a file system hangs, a module has no file until then.
    ``reads_as``: with whose rights; None: with those of the process that mapped the file. ``open_debug`` opens debug
    files; it is replaced in a process that may not.
    """

    def __init__(
        self, most_files: int | None = None, most_bytes: int = NAMELESS_BYTES, helpers: Helpers | None = None
    ) -> None:
        self.helpers = helpers or Helpers()
        self.reads_as: Reader | None = None
        self._modules: dict[Identity, _Module] = {}
        self._most_files = _files_budget() if most_files is None else most_files
        self._most_bytes = most_bytes
        self._held = self.unheld = self.refused = self.generation = 0
        self.open_debug: OpenDebug = self.open_debug_file
        self._answering: set[tuple[int, int] | None] = set()
        self.runtimes = Runtimes(self.find_symbol, self._ask_jvm)
        self._debug_folders = DebugFolders(
            [SYSTEM_FOLDER], search=False, open_file=lambda path: self.open_debug(path, None)
        )
        self.unread_lines = self.unread_symbols = 0
        self._symbols_left = SYMBOLS_BUDGET

    def hold(self, mapping: Mapping, ancestors: Sequence[int] = ()) -> None:
        """Opens the file of ``mapping`` unless it is open already. If that fails, another mapping of it may succeed.

        The process may have ended. Its ``ancestors``, nearest first, mostly share its mount namespace.
        """
        identity = _identity(mapping)
        if identity is None:
            return
        if identity in self._modules:
            self._modules[identity].used = self.generation
            return
        if mapping.path == _VDSO:
            vdso = _vdso()
            if vdso is not None:
                self._modules[identity] = _Module(vdso, mapping.path, used=self.generation)
            return
        self._modules[identity] = module = _Module(
            io.BytesIO(), mapping.path, reader=self.reads_as or reader(mapping.pid), used=self.generation
        )
        # A device that has answered before will not hold up others; of a process, anything may.
        keys = (mapping.pid, *([] if mapping.device in self._answering else [mapping.device or ()]))
        wanted = Wanted(mapping.build_id, mapping.inode)
        places = _places(mapping, ancestors)
        module.opening = self.helpers.ask(
            keys, foreign_files.open_mapped, places, wanted, module.reader, self._most_bytes
        )
        if self._take_opened(identity, module):
            self._answering.add(mapping.device)
        else:
            self._answering.discard(mapping.device)

    def settle(self) -> None:
        """Waits for files that are being opened, as long as any is. To be called when recording ends."""
        self.helpers.settle()
        for identity, module in list(self._modules.items()):
            self._take_opened(identity, module)

    @property
    def unanswered(self) -> int:
        """How many files could not be opened yet, for their file systems do not answer."""
        return sum(module.opening is not None for module in self._modules.values())

    def _take_opened(self, identity: Identity, module: _Module) -> bool:
        """Takes the file that a helper opened; False while it has not answered."""
        if module.opening is None:
            return True
        if not module.opening.is_there:
            return False
        reply, module.opening = module.opening, None
        if reply.value is None:
            # Another mapping of it may succeed.
            _log.debug("%s cannot be opened", module.path)
            self._modules.pop(identity, None)
            return True
        module.failure = reply.value
        if reply.descriptor is not None:
            module.file = os.fdopen(reply.descriptor, "rb")
            module.failure = self._refusal(module)
        elif reply.value == foreign_files.REFUSED:
            self.refused += 1
        else:
            self.unheld += 1
        if module.failure:
            module.file.close()
        elif identity[0] != "build-id":
            self._share_by_build_id(module)
        _log.debug("%s opened%s", module.path, module.failure and f" and closed: {module.failure}")
        return True

    def _share_by_build_id(self, module: _Module) -> None:
        """Makes ``module``, known from /proc, the one of later mappings that the kernel tells by build id.

        The process may be gone when they are heard of, and nobody else may have its root folder.
        """
        with suppress(NotElfError, OSError):
            module.elf = ElfFile(module.file)
            if module.elf.build_id is not None:
                self._modules.setdefault(("build-id", module.elf.build_id), module)

    def _refusal(self, module: _Module) -> str:
        """Why the file of ``module`` is not to be held open; empty: it is, and counts."""
        try:
            if os.pread(module.file.fileno(), len(_ELF), 0) != _ELF:
                return "not an ELF file"
            found = os.fstat(module.file.fileno())
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        size = found.st_size if found.st_nlink == 0 else 0
        if self._held >= self._most_files or size > self._most_bytes:
            self.unheld += 1
            return "too many files, or too large ones without names, are open"
        self._held += 1
        self._most_bytes -= size
        module.is_held, module.size = True, size
        return ""

    def forget(self, generation: int) -> None:
        """Closes the files that no mapping noted in ``generation`` or later has."""
        old = {
            id(module): module for module in self._modules.values() if module.used < generation and not module.opening
        }
        self._modules = {key: module for key, module in self._modules.items() if id(module) not in old}
        for module in old.values():
            for file in (module.file, *module.debug):
                file.close()
            self._held -= module.is_held
            self._most_bytes += module.size

    def files(self) -> list[BinaryIO]:
        """The open files, those with debug information too."""
        held = {id(module): module for module in self._modules.values()}
        files = [file for module in held.values() for file in (module.file, *module.debug)]
        return [file for file in files if not file.closed and not isinstance(file, io.BytesIO)]

    def locate(self, mapping: Mapping, address: int) -> tuple[int | None, Symbol | None]:
        """What ``address`` of the process is in the file of ``mapping``, as the file numbers it; the function there."""
        module = self._module(mapping)
        in_file = _in_file(module, mapping, address)
        if module is None or in_file is None:
            return None, None
        if in_file not in module.functions:
            # Processes with the same file ask for the same addresses in it.
            symbol = self._symbols(module).symbol_at(in_file)
            if symbol is None and module.elf is not None:
                symbol = self._unwind_table(module, module.elf).conventional_symbol(in_file)
            module.functions[in_file] = symbol
        return in_file, module.functions[in_file]

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
        from bpfrec.formats.symbols.source_lines import Budget  # noqa: PLC0415 - a recording begins without

        budget = Budget(LINES_BUDGET)
        for number, of_module in wanted.items():
            module = modules[number]
            if new := of_module.keys() - module.lines.keys():
                lines, unread = self._symbols(module).lines(new, budget)
                self.unread_lines += unread
                module.lines |= {in_file: lines.get(in_file) for in_file in new}
            for in_file, asked in of_module.items():
                if (line := module.lines[in_file]) is not None:
                    found |= dict.fromkeys(asked, line)
        return found

    def unwind_table(self, mapping: Mapping) -> UnwindTable | None:
        """The unwind table of ``mapping``'s file; None where the file is not open or is not an ELF file."""
        module = self._module(mapping)
        if module is None or module.elf is None:
            return None
        return self._unwind_table(module, module.elf)

    @staticmethod
    def _unwind_table(module: _Module, elf: ElfFile) -> UnwindTable:
        if module.unwinding is None:
            from bpfrec.record.stacks.unwind.eh_frame import UnwindTable  # noqa: PLC0415 - a recording begins without

            module.unwinding = UnwindTable(elf)
            if module.unwinding.failure:
                _log.info("%s: no unwind table: %s", module.path, module.unwinding.failure)
        return module.unwinding

    def find_symbol(self, mapping: Mapping, name: bytes) -> int | None:
        """The address in the process of the symbol ``name`` of ``mapping``'s file; None where it has none."""
        module = self._module(mapping)
        start = None if module is None else _in_file(module, mapping, mapping.start)
        if module is None or module.elf is None or start is None:
            return None
        if name not in module.addresses:
            module.addresses[name] = module.elf.symbol_address(name)
        address = module.addresses[name]
        return None if address is None else mapping.start + address - start

    def build_id(self, mapping: Mapping) -> str | None:
        """The build id of ``mapping``'s file, from the kernel or from the file; None where it has none."""
        if mapping.build_id:
            return mapping.build_id
        module = self._module(mapping)
        return module.elf.build_id if module and module.elf else None

    def file(self, mapping: Mapping) -> BinaryIO | None:
        """The open file of ``mapping`` if it is an ELF file; the same object for the same file."""
        module = self._module(mapping)
        return module.file if module else None

    def close(self) -> None:
        """Closes all files."""
        for module in self._modules.values():
            for file in (module.file, *module.debug):
                file.close()
        self._modules.clear()
        self.helpers.close()

    def _module(self, mapping: Mapping) -> _Module | None:
        """The module of ``mapping`` if its file is open and an ELF file."""
        identity = _identity(mapping)
        module = self._modules.get(identity) if identity else None
        if identity is None or module is None or module.failure:
            return None
        if module.opening is not None:
            self.helpers.poll()
            if not self._take_opened(identity, module) or module.failure:
                return None
        if module.elf is None:
            try:
                module.elf = ElfFile(module.file)
            except (NotElfError, OSError) as error:
                module.failure = str(error)
                _log.info("%s: %s", module.path, error)
                return None
        return module

    def _symbols(self, module: _Module) -> Symbolizer:
        if module.symbols is None:
            elf = module.elf or ElfFile(module.file)
            module.debug = list(self._debug_folders.find(elf.build_id)) if elf.build_id else []
            linked = None if module.debug else self._linked_file(elf, module)
            if linked is not None:
                module.debug.append(linked)
            files = [*map(ElfFile, module.debug), elf]
            size = sum(file.symbol_bytes for file in files)
            _log.debug("%s: %d bytes of symbols, %d debug files", module.path, size, len(module.debug))
            if size > self._symbols_left:
                _log.info("%s: its symbol tables are too large to be read", module.path)
                self.unread_symbols += 1
                files = []
            else:
                self._symbols_left -= size
            from bpfrec.formats.symbols.symbolizer import Symbolizer  # noqa: PLC0415 - a recording begins without

            module.symbols = Symbolizer(files)
        return module.symbols

    def _ask_jvm(self, pid: int, structs: int) -> bool | None:
        if self.helpers.busy((pid,)):
            return None
        answer: bool | None = self.helpers.ask((pid,), ask_in_helper, pid, structs).value
        return answer

    def _linked_file(self, elf: ElfFile, module: _Module) -> BinaryIO | None:
        return linked_file(elf, _named(module), open_file=lambda place: self.open_debug(place, module.reader))

    def may_be_debug(self, path: Path, user: Reader | None) -> bool:
        """Whether a debug file at ``path`` can be that of a file which was opened as ``user``; None: as nobody."""
        mapped = (_named(module) for module in self._modules.values() if user is not None and module.reader == user)
        may = user is None or any(path.parent in debug_places(name) for name in mapped)
        return may and ".." not in path.parts

    def open_debug_file(self, path: Path, user: Reader | None) -> BinaryIO | None:
        """Opens a debug file as ``user`` may: nobody, if it is not known. It may be on a file system that hangs."""
        if self.helpers.busy(("debug",)):
            return None
        place = Place("/", str(path))
        wanted, copied = Wanted(None, None), self._most_bytes
        reply = self.helpers.ask(("debug",), foreign_files.open_mapped, [place], wanted, user or NOBODY, copied)
        if not reply.is_there:
            self.helpers.settle()
        return None if reply.descriptor is None else os.fdopen(reply.descriptor, "rb")


def _named(module: _Module) -> Path:
    return Path(module.path.removesuffix(_DELETED))


def _in_file(module: _Module | None, mapping: Mapping, address: int) -> int | None:
    elf = module.elf if module else None
    return elf.address_of(address - mapping.start + mapping.offset) if elf else None


def _files_budget() -> int:
    """How many files may be held open, so that most descriptors are left for all else."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST_FILES if limit == resource.RLIM_INFINITY else min(_MOST_FILES, limit // 2)


def has_file(mapping: Mapping) -> bool:
    """Whether a file is behind ``mapping``, or something that can be read as one."""
    return _identity(mapping) is not None


def may_hold_jit_code(mapping: Mapping) -> bool:
    """Whether a runtime may have made the code in ``mapping``: no file with a name is behind it."""
    return is_without_file(mapping.path)


def is_without_file(path: str) -> bool:
    """Whether a mapping with this name has no file, or none that stays: JIT code may be there."""
    return not path.startswith(("/", "[v")) or path.startswith(_NO_FILES)


def _identity(mapping: Mapping) -> Identity | None:
    if mapping.path == _VDSO:
        return (_VDSO,)
    if mapping.build_id:
        return ("build-id", mapping.build_id)
    if not mapping.path.startswith("/") or mapping.path.startswith("//"):
        # The kernel calls it "//anon" where there is no file.
        return None
    if mapping.inode:
        return ("inode", str(mapping.device), str(mapping.inode))
    return ("path", mapping.path)


def _places(mapping: Mapping, ancestors: Sequence[int]) -> list[Place]:
    process = PROC / str(living_thread(mapping.pid))
    inside = mapping.path.removesuffix(_DELETED).lstrip("/")
    roots = [PROC / str(pid) / "root" for pid in (mapping.pid, *ancestors)]
    return [
        foreign_files.map_file(process, mapping.start, mapping.end),
        *(Place(str(root), inside) for root in (*roots, Path("/"))),
    ]


def _vdso() -> BinaryIO | None:
    """A copy of the vdso; the kernel maps the same one into all 64-bit processes."""
    for line in executable_maps(os.getpid()):
        if line.path == _VDSO:
            return io.BytesIO(ctypes.string_at(line.start, line.end - line.start))
    return None
