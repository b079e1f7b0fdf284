"""ELF files: load addresses, build ids and function symbols.

Sources: System V ABI (gabi), chapters "ELF Header", "Program Loading" and "Symbol Table". pyelftools reads the
section headers.
Root reads here what any user may have mapped: nothing that a file says makes reading it long.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, cast

import numpy as np
from elftools.elf.elffile import ELFFile

from bpfrec.formats.elf_sections import Section, sections
from bpfrec.formats.elf_symbols import HIGHEST_ADDRESS, SYMBOL, Symbol, SymbolIndex, SymbolTable
from bpfrec.formats.go_functions import GoFunctions, go_functions_of

_SHF_COMPRESSED = 1 << 11
_LARGEST_TABLE = 1 << 30
_LARGEST_BUILD_ID = 64
_HEADER_BUDGET = 8 << 20

DEBUG_ROOT = Path("/usr/lib/debug/.build-id")
"""Where distributions keep separate debug files, by build id."""


_PT_LOAD, _PT_NOTE, _PT_GNU_EH_FRAME = 1, 4, 0x6474E550
_NT_GNU_BUILD_ID = 3
_LARGEST_NOTES = 1 << 20
# e_entry, e_phoff, e_phentsize, e_phnum
_FILE_HEADER = struct.Struct("<24xQQ14xHH6x")
_NOTE = struct.Struct("<III")
# Elf64_Phdr without p_paddr
_PROGRAM_HEADER = struct.Struct("<I4xQQ8xQQQ")


class NotElfError(Exception):
    """A file that is no ELF file, or one that cannot be read as one; the text says why."""


class _ProgramHeader(NamedTuple):
    kind: int
    offset: int
    address: int
    file_size: int
    size: int
    align: int


@dataclass(frozen=True)
class _Segment:
    offset: int
    address: int
    file_size: int


class ElfFile:
    """One ELF file, read from an open binary ``file`` that stays the caller's.

    Raises:
        NotElfError: not an ELF file of 64 bits, or its headers do not hold together.

    ``build_id``: hex, or None. ``unwind_index``: address and size of its ``.eh_frame_hdr``, or None. ``entry``: the
    address where a process begins in it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.entry, headers = _program_headers(file)
        loaded = (_Segment(h.offset, h.address, h.file_size) for h in headers if h.kind == _PT_LOAD)
        self._segments = [s for s in loaded if max(s.offset, s.address, s.file_size) < HIGHEST_ADDRESS]
        self.build_id = _build_id(file, headers)
        index = next((h for h in headers if h.kind == _PT_GNU_EH_FRAME), None)
        self.unwind_index = (index.address, index.size) if index else None
        self._index: SymbolIndex | None = None
        self._found: dict[int, Symbol | None] = {}

    def address_of(self, file_offset: int) -> int | None:
        """The address, as the file numbers it, of the byte at ``file_offset``; None where no segment loads it."""
        for segment in self._segments:
            if segment.offset <= file_offset < segment.offset + segment.file_size:
                return file_offset - segment.offset + segment.address
        return None

    def read_at(self, address: int, size: int) -> bytes:
        """What the file has of ``size`` bytes at ``address``, as the file numbers it; fewer where a segment ends."""
        for segment in self._segments:
            if segment.address <= address < segment.address + segment.file_size:
                skipped = address - segment.address
                return _read(self._file, segment.offset + skipped, min(size, segment.file_size - skipped))
        return b""

    def section(self, name: str) -> tuple[int, int] | None:
        """Address and size in bytes of the section ``name``; None where there is none."""
        found = self._sections.get(name)
        return None if found is None else (found.address, found.size)

    @cached_property
    def _sections(self) -> dict[str, Section]:
        return sections(partial(_read, self._file))

    @cached_property
    def go_functions(self) -> GoFunctions | None:
        """What a Go program says of its functions; None for others, and where that cannot be read."""
        return go_functions_of(self)

    def symbol_at(self, address: int) -> Symbol | None:
        """The function that covers ``address``; None where no symbol does."""
        if self.go_functions is not None and (go := self.go_functions.find(address)) is not None:
            return Symbol(go.name, go.start, go.end - go.start)
        if self._index is None:
            self._index = SymbolIndex([*self._debug_file_tables(), *_symbol_tables(self._file)])
        # Every process that executes the same program asks for the same addresses.
        if address not in self._found:
            self._found[address] = self._index.find(address)
        return self._found[address]

    def _debug_file_tables(self) -> list[SymbolTable]:
        if not self.build_id:
            return []
        path = DEBUG_ROOT / self.build_id[:2] / f"{self.build_id[2:]}.debug"
        try:
            with path.open("rb") as file:
                return _symbol_tables(file)
        except OSError:
            return []


class _Budgeted:
    """A file that may be read so far and no further: bounds what a hostile header can make pyelftools do."""

    def __init__(self, file: BinaryIO, budget: int) -> None:
        self._file, self._left = file, budget
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self._left -= 16 + max(0, size)
        if size < 0 or self._left < 0:
            raise NotElfError("its headers are absurdly long")
        return self._file.read(size)


def _open(file: BinaryIO) -> Any:
    file.seek(0)
    elf = ELFFile(cast("IO[bytes]", _Budgeted(file, _HEADER_BUDGET)))
    if elf.elfclass != 64 or not elf.little_endian:
        raise NotElfError("not a 64-bit little-endian ELF file")
    return elf


def _program_headers(file: BinaryIO) -> tuple[int, list[_ProgramHeader]]:
    """The entry point and the program headers, which pyelftools takes a hundred times as long to read."""
    start = _read(file, 0, _FILE_HEADER.size)
    if len(start) < _FILE_HEADER.size or start[:4] != b"\x7fELF":
        raise NotElfError("not an ELF file")
    if start[4:6] != b"\2\1":
        raise NotElfError("not a 64-bit little-endian ELF file")
    entry, table, size, count = _FILE_HEADER.unpack(start)
    if size != _PROGRAM_HEADER.size:
        raise NotElfError(f"program headers of {size} bytes")
    raw = _read(file, table, size * count)
    if len(raw) < size * count:
        raise NotElfError("its program headers reach beyond the file")
    return entry, [_ProgramHeader(*fields) for fields in _PROGRAM_HEADER.iter_unpack(raw)]


def _build_id(file: BinaryIO, headers: list[_ProgramHeader]) -> str | None:
    """The build id, hex, from the first note that is one."""
    for header in headers:
        if header.kind != _PT_NOTE or header.file_size > _LARGEST_NOTES:
            continue
        raw = _read(file, header.offset, header.file_size)
        align = 8 if header.align == 8 else 4
        at = 0
        while at + _NOTE.size <= len(raw):
            name_size, size, kind = _NOTE.unpack_from(raw, at)
            name = at + _NOTE.size
            start = name + -(-name_size // align) * align
            if kind == _NT_GNU_BUILD_ID and raw[name : name + name_size] == b"GNU\0":
                identity = raw[start : start + size]
                return identity.hex() if 0 < size == len(identity) <= _LARGEST_BUILD_ID else None
            at = start + -(-size // align) * align
    return None


def _symbol_tables(file: BinaryIO) -> list[SymbolTable]:
    """The symbol tables and the names of each; what cannot be read is left out."""
    tables: list[SymbolTable] = []
    try:
        elf = _open(file)
        sections = [section.header for section in elf.iter_sections()]
        ends = np.array([(s["sh_addr"] + s["sh_size"]) & (1 << 64) - 1 for s in sections], np.uint64)
        for section in sections:
            if section["sh_type"] not in ("SHT_SYMTAB", "SHT_DYNSYM") or section["sh_link"] >= len(sections):
                continue
            names = sections[section["sh_link"]]
            if (section["sh_flags"] | names["sh_flags"]) & _SHF_COMPRESSED:
                continue
            raw = _read(file, section["sh_offset"], section["sh_size"])
            symbols = np.frombuffer(raw, SYMBOL, len(raw) // SYMBOL.itemsize)
            known = symbols["section"] < len(sections)
            end_of = np.where(known, ends[np.where(known, symbols["section"], 0)], np.uint64(0))
            tables.append(SymbolTable(symbols, _read(file, names["sh_offset"], names["sh_size"]), end_of))
    except Exception:
        return tables
    return tables


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    """What the file holds of ``size`` bytes at ``offset``; nothing where that is absurdly much."""
    if size > _LARGEST_TABLE or offset > HIGHEST_ADDRESS:
        return b""
    end = file.seek(0, os.SEEK_END)
    file.seek(offset)
    return file.read(max(0, min(size, end - offset)))
