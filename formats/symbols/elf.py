"""ELF files: load addresses, build ids and function symbols.

Sources: System V ABI (gabi), chapters "ELF Header", "Program Loading" and "Symbol Table". Root reads
here what any user may have mapped, so the time and memory that a file can cost are bounded.
"""

from __future__ import annotations

import io
import lzma
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols.elf_sections import (
    SHF_COMPRESSED,
    SHF_EXECINSTR,
    Content,
    Section,
    read_bytes,
    read_sections,
)
from bpfrec.formats.symbols.elf_symbols import HIGHEST_ADDRESS, STT_NOTYPE, SYMBOL, SymbolTable
from bpfrec.formats.symbols.go_functions import GoFunctions, go_functions_of

_LARGEST_BUILD_ID = 64
_LARGEST_MINI = 64 << 20
# Five million symbols: several times what the largest programs have.
_LARGEST_SYMBOLS = 128 << 20
# Bytes of names in which one is searched for.
_LARGEST_NAMES = 64 << 20
_SYMBOL_TABLES = ("SHT_SYMTAB", "SHT_DYNSYM")
_LONGEST_LINK = 4096


_PT_LOAD, _PT_NOTE, _PT_GNU_EH_FRAME = 1, 4, 0x6474E550
_NT_GNU_BUILD_ID = 3
_LARGEST_NOTES = 1 << 16
_MOST_NOTES = 64
# e_entry, e_phoff, e_phentsize, e_phnum
_FILE_HEADER = struct.Struct("<24xQQ14xHH6x")
_NOTE = struct.Struct("<III")
# Elf64_Phdr without p_paddr
_PROGRAM_HEADER = struct.Struct("<I4xQQ8xQQQ")


class NotElfError(Exception):
    """A file is not an ELF file, or a damaged one; the text says why."""


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
    """An ELF file, read from the open binary ``file``, which stays the caller's.

    ``unwind_index``: address and size in bytes of its ``.eh_frame_hdr``, or None. ``entry``: the address at which a
    process begins. Addresses are as the file numbers them.

    Raises:
        NotElfError: it is not an ELF file of 64 bits, or its headers are damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.entry, headers = _program_headers(file)
        loaded = (_Segment(h.offset, h.address, h.file_size) for h in headers if h.kind == _PT_LOAD)
        self._segments = [s for s in loaded if max(s.offset, s.address, s.file_size) < HIGHEST_ADDRESS]
        self._notes = [(h.offset, h.file_size, h.align) for h in headers if h.kind == _PT_NOTE]
        index = next((h for h in headers if h.kind == _PT_GNU_EH_FRAME), None)
        self.unwind_index = (index.address, index.size) if index else None

    def address_of(self, file_offset: int) -> int | None:
        """The address of the byte at ``file_offset``; None where no segment loads it."""
        for segment in self._segments:
            if segment.offset <= file_offset < segment.offset + segment.file_size:
                return file_offset - segment.offset + segment.address
        return None

    def read_at(self, address: int, size: int) -> bytes:
        """``size`` bytes at ``address``; fewer where a segment ends."""
        for segment in self._segments:
            if segment.address <= address < segment.address + segment.file_size:
                skipped = address - segment.address
                return read_bytes(self._file, segment.offset + skipped, min(size, segment.file_size - skipped))
        return b""

    @cached_property
    def build_id(self) -> str | None:
        """Its build id, hex; None where it has none."""
        # In some debug files the segments are still those of the program, and point nowhere.
        return _build_id(self._file, self._notes) or _build_id(
            self._file, [(s.offset, s.size, 4) for s in self.sections if s.kind == "SHT_NOTE"]
        )

    @cached_property
    def sections(self) -> list[Section]:
        """Its sections in order; none where their headers are damaged."""
        return read_sections(self._file)

    @cached_property
    def go_functions(self) -> GoFunctions | None:
        """The table of functions in a Go program; None in others, and where it cannot be read."""
        return go_functions_of(self)

    def section(self, name: str) -> tuple[int, int] | None:
        """Address and size in bytes of the section ``name``; None where there is none."""
        found = self._section(name)
        return None if found is None else (found.address, found.size)

    def content(self, name: str) -> Content | None:
        """The content of the section ``name``; None where there is none."""
        found = self._section(name)
        return None if found is None else Content(self._file, found)

    @property
    def debug_link(self) -> tuple[str, int] | None:
        """Name and checksum (CRC-32) of its separate debug file: gdb's manual, "Separate Debug Files"."""
        found = self.content(".gnu_debuglink")
        raw = b"" if found is None else found.read(0, _LONGEST_LINK)
        name, _, rest = raw.partition(b"\0")
        end = (len(name) + 4) // 4 * 4
        if not name or b"/" in name or name in (b".", b"..") or not rest or len(raw) < end + 4:
            return None
        return name.decode("utf-8", "surrogateescape"), int.from_bytes(raw[end : end + 4], "little")

    @property
    def symbol_bytes(self) -> int:
        """The size of its symbol tables by their headers, without names."""
        return sum(section.size for section in self.sections if section.kind in _SYMBOL_TABLES)

    def symbol_tables(self) -> list[SymbolTable]:
        """Its symbol tables, and those in ``.gnu_debugdata``, where Fedora keeps the local functions."""
        tables = self._own_tables()
        packed = self.content(".gnu_debugdata")
        if packed is not None and packed.size <= _LARGEST_MINI:
            try:
                unpacked = lzma.LZMADecompressor(memlimit=2 * _LARGEST_MINI).decompress(
                    packed.read(0, packed.size), _LARGEST_MINI
                )
                tables += ElfFile(io.BytesIO(unpacked))._own_tables()
            except (lzma.LZMAError, EOFError, NotElfError):
                pass
        return tables

    def symbol_address(self, name: bytes) -> int | None:
        """The address of the symbol ``name``, function or not; None where it is not defined."""
        for table in self._own_tables():
            # A name may also be the end of another one.
            for at in table.names.find(name + b"\0", _LARGEST_NAMES):
                found = table.symbols[(table.symbols["name"] == at) & (table.symbols["section"] != 0)]
                if len(found):
                    return int(found["value"][0])
        return None

    def _section(self, name: str) -> Section | None:
        return next((section for section in self.sections if section.name == name), None)

    def _own_tables(self) -> list[SymbolTable]:
        sections = self.sections
        ends = np.array([(s.address + s.size) & (1 << 64) - 1 for s in sections], np.uint64)
        tables: list[SymbolTable] = []
        left = _LARGEST_SYMBOLS
        for section in sections:
            if section.kind not in _SYMBOL_TABLES or section.link >= len(sections):
                continue
            names = sections[section.link]
            if (section.flags | names.flags) & SHF_COMPRESSED or section.size > left:
                continue
            left -= section.size
            raw = read_bytes(self._file, section.offset, section.size)
            symbols = np.frombuffer(raw, SYMBOL, len(raw) // SYMBOL.itemsize)
            if section.kind == "SHT_DYNSYM":
                # A symbol without a size reaches to the next function, which may be missing in this table.
                symbols = symbols[symbols["size"] > 0]
            symbols = symbols[(symbols["size"] > 0) | _is_code(symbols, sections)]
            known = symbols["section"] < len(sections)
            end_of = np.where(known, ends[np.where(known, symbols["section"], 0)], np.uint64(0))
            tables.append(SymbolTable(symbols, Content(self._file, names), end_of))
        return tables


def _is_code(symbols: NDArray[np.void], sections: list[Section]) -> NDArray[np.bool_]:
    """Whether each symbol has a type, or is in a section of code: a label without a type may be one of data."""
    code = np.array([bool(section.flags & SHF_EXECINSTR) for section in sections] + [False])
    chosen: NDArray[np.bool_] = code[np.minimum(symbols["section"], len(sections))]
    chosen |= symbols["info"] & 0xF != STT_NOTYPE
    return chosen


def _program_headers(file: BinaryIO) -> tuple[int, list[_ProgramHeader]]:
    """The entry point and the program headers."""
    start = read_bytes(file, 0, _FILE_HEADER.size)
    if len(start) < _FILE_HEADER.size or start[:4] != b"\x7fELF":
        raise NotElfError("not an ELF file")
    if start[4:6] != b"\2\1":
        raise NotElfError("not a 64-bit little-endian ELF file")
    entry, table, size, count = _FILE_HEADER.unpack(start)
    if size != _PROGRAM_HEADER.size:
        raise NotElfError(f"program headers of {size} bytes")
    raw = read_bytes(file, table, size * count)
    if len(raw) < size * count:
        raise NotElfError("its program headers reach beyond the file")
    return entry, [_ProgramHeader(*fields) for fields in _PROGRAM_HEADER.iter_unpack(raw)]


def _build_id(file: BinaryIO, notes: Iterable[tuple[int, int, int]]) -> str | None:
    """The build id, hex, from the first of ``notes`` (offset, size and alignment in bytes) that holds one."""
    for offset, length, alignment in islice(notes, _MOST_NOTES):
        if length > _LARGEST_NOTES:
            continue
        raw = read_bytes(file, offset, length)
        align = 8 if alignment == 8 else 4
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
