"""ELF files: load addresses, build ids and function symbols.

Sources: System V ABI (gabi), chapters "ELF Header", "Program Loading" and "Symbol Table"; include/uapi/linux/elf.h.
Headers and tables are read as numpy arrays: a program like node has hundreds of thousands of symbols. Root reads here
what any user may have mapped, so nothing a file says makes reading it long: every table has a largest size.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_HEADER = np.dtype(
    [
        ("ident", "S16"),
        ("type", "<u2"),
        ("machine", "<u2"),
        ("version", "<u4"),
        ("entry", "<u8"),
        ("phoff", "<u8"),
        ("shoff", "<u8"),
        ("flags", "<u4"),
        ("ehsize", "<u2"),
        ("phentsize", "<u2"),
        ("phnum", "<u2"),
        ("shentsize", "<u2"),
        ("shnum", "<u2"),
        ("shstrndx", "<u2"),
    ]
)
_PROGRAM_HEADER = np.dtype(
    [
        ("type", "<u4"),
        ("flags", "<u4"),
        ("offset", "<u8"),
        ("vaddr", "<u8"),
        ("paddr", "<u8"),
        ("filesz", "<u8"),
        ("memsz", "<u8"),
        ("align", "<u8"),
    ]
)
_SECTION_HEADER = np.dtype(
    [
        ("name", "<u4"),
        ("type", "<u4"),
        ("flags", "<u8"),
        ("addr", "<u8"),
        ("offset", "<u8"),
        ("size", "<u8"),
        ("link", "<u4"),
        ("info", "<u4"),
        ("addralign", "<u8"),
        ("entsize", "<u8"),
    ]
)
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)

_IDENT = b"\x7fELF\x02\x01"  # 64 bits, little-endian
_PT_LOAD, _PT_NOTE = 1, 4
_SHT_SYMTAB, _SHT_DYNSYM = 2, 11
_SHF_COMPRESSED = 1 << 11
_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_STB_LOCAL, _STB_GLOBAL, _STB_WEAK = 0, 1, 2
_NT_GNU_BUILD_ID = 3

_LARGEST_TABLE = 1 << 30
_LARGEST_NOTES = 1 << 16
_LARGEST_BUILD_ID = 64
_LONGEST_NAME = 1 << 14
_HIGHEST_ADDRESS = 1 << 62
_ALIASES = 64

DEBUG_ROOT = Path("/usr/lib/debug/.build-id")
"""Where distributions keep separate debug files, by build id."""


@dataclass(frozen=True)
class _Table:
    """A symbol table: the names it points into, and where the section of each symbol ends (bytes)."""

    symbols: NDArray[np.void]
    names: bytes
    ends: NDArray[np.uint64]


class NotElfError(Exception):
    """A file that is no ELF file, or one that cannot be read as one; the text says why."""


@dataclass(frozen=True)
class Symbol:
    """A function: its name as linked (mangled), and ``address`` and ``size`` as the file numbers them (bytes)."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class _Segment:
    offset: int
    address: int
    file_size: int


class ElfFile:
    """One ELF file, read from an open binary ``file`` that stays the caller's.

    Raises:
        NotElfError: not an ELF file of 64 bits, or its headers do not hold together.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            self._header = _header(file)
            programs = _read_array(file, self._header["phoff"], self._header["phnum"], _PROGRAM_HEADER)
            self._segments = [
                _Segment(int(p["offset"]), int(p["vaddr"]), int(p["filesz"]))
                for p in programs
                if p["type"] == _PT_LOAD and all(int(p[of]) < _HIGHEST_ADDRESS for of in ("vaddr", "offset", "filesz"))
            ]
            self.build_id = _build_id(file, programs)
        except (OSError, ValueError) as error:
            raise NotElfError(str(error) or type(error).__name__) from None
        self._index: _SymbolIndex | None = None

    def address_of(self, file_offset: int) -> int | None:
        """The address, as the file numbers it, of the byte at ``file_offset``; None where no segment loads it."""
        for segment in self._segments:
            if segment.offset <= file_offset < segment.offset + segment.file_size:
                return file_offset - segment.offset + segment.address
        return None

    def symbol_at(self, address: int) -> Symbol | None:
        """The function that covers ``address``; None where no symbol does."""
        if self._index is None:
            self._index = _SymbolIndex([*self._debug_file_tables(), *_symbol_tables(self._file, self._header)])
        return self._index.find(address)

    def _debug_file_tables(self) -> list[_Table]:
        if not self.build_id:
            return []
        path = DEBUG_ROOT / self.build_id[:2] / f"{self.build_id[2:]}.debug"
        try:
            with path.open("rb") as file:
                return _symbol_tables(file, _header(file))
        except (OSError, NotElfError):
            return []


def _header(file: BinaryIO) -> np.void:
    file.seek(0)
    raw = file.read(_HEADER.itemsize)
    if not raw.startswith(_IDENT) or len(raw) < _HEADER.itemsize:
        raise NotElfError("not a 64-bit little-endian ELF file")
    header: np.void = np.frombuffer(raw, _HEADER)[0]
    if header["phnum"] and header["phentsize"] != _PROGRAM_HEADER.itemsize:
        raise NotElfError(f"program headers of {header['phentsize']} bytes")
    return header


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    """What the file holds of ``size`` bytes at ``offset``; nothing where that is absurdly much."""
    if size > _LARGEST_TABLE or offset > _HIGHEST_ADDRESS:
        return b""
    end = file.seek(0, os.SEEK_END)
    file.seek(offset)
    return file.read(max(0, min(size, end - offset)))


def _read_array(file: BinaryIO, offset: int, count: int, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    raw = _read(file, int(offset), int(count) * dtype.itemsize)
    return np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)


def _build_id(file: BinaryIO, programs: NDArray[np.void]) -> str | None:
    """The build id, hex, from the first note that is one: ``struct elf64_nhdr``, name, descriptor; each padded to 4."""
    for program in programs[programs["type"] == _PT_NOTE]:
        if program["filesz"] > _LARGEST_NOTES:
            continue
        notes = _read(file, int(program["offset"]), int(program["filesz"]))
        position = 0
        while position + 12 <= len(notes):
            name_size, size, kind = (int(n) for n in np.frombuffer(notes, "<u4", 3, position))
            start = position + 12 + (name_size + 3 & ~3)
            if kind == _NT_GNU_BUILD_ID and notes[position + 12 : position + 16] == b"GNU\0" and name_size == 4:
                return notes[start : start + size].hex() if 0 < size <= _LARGEST_BUILD_ID else None
            position = start + (size + 3 & ~3)
    return None


def _symbol_tables(file: BinaryIO, header: np.void) -> list[_Table]:
    """The symbol tables and the names of each; what cannot be read is left out."""
    tables: list[_Table] = []
    if header["shentsize"] != _SECTION_HEADER.itemsize:
        return tables
    try:
        sections = _read_array(file, header["shoff"], header["shnum"], _SECTION_HEADER)
        for section in sections:
            link = int(section["link"])
            if section["type"] not in (_SHT_SYMTAB, _SHT_DYNSYM) or link >= len(sections):
                continue
            if (section["flags"] | sections[link]["flags"]) & _SHF_COMPRESSED:
                continue
            symbols = _read_array(file, section["offset"], int(section["size"]) // _SYMBOL.itemsize, _SYMBOL)
            names = _read(file, int(sections[link]["offset"]), int(sections[link]["size"]))
            section_ends = sections["addr"] + sections["size"]
            known = symbols["section"] < len(sections)
            ends = np.where(known, section_ends[np.where(known, symbols["section"], 0)], np.uint64(0))
            tables.append(_Table(symbols, names, ends))
    except (OSError, ValueError):
        return tables
    return tables


def _functions(symbols: NDArray[np.void]) -> NDArray[np.bool_]:
    kind = symbols["info"] & 0xF
    code = (kind == _STT_FUNC) | (kind == _STT_GNU_IFUNC) | ((kind == _STT_NOTYPE) & (symbols["size"] > 0))
    sane = (symbols["value"] < _HIGHEST_ADDRESS) & (symbols["size"] < _HIGHEST_ADDRESS)
    chosen: NDArray[np.bool_] = code & sane & (symbols["section"] != 0)
    return chosen


class _SymbolIndex:
    """Function symbols of several tables, sorted by address, the preferred name of an address first."""

    def __init__(self, tables: list[_Table]) -> None:
        self._names = [table.names for table in tables]
        chosen = [_functions(table.symbols) for table in tables]
        symbols = [table.symbols[which] for table, which in zip(tables, chosen, strict=True)]
        ends = [table.ends[which] for table, which in zip(tables, chosen, strict=True)]
        numbers = [np.full(len(part), number) for number, part in enumerate(symbols)]
        unsorted = np.concatenate([np.empty(0, _SYMBOL), *symbols])
        order = np.argsort(unsorted["value"], kind="stable")
        self._symbols = unsorted[order]
        self._ends = np.concatenate([np.empty(0, np.uint64), *ends])[order]
        self._tables = np.concatenate([np.empty(0, np.int64), *numbers])[order]
        self._values = np.ascontiguousarray(self._symbols["value"])

    def find(self, address: int) -> Symbol | None:
        """The innermost symbol around ``address``: the latest start whose size reaches it."""
        after = int(np.searchsorted(self._values, address, side="right"))
        start = after
        # A function may lie within the span of an earlier, larger symbol; look back over a few starts.
        for _ in range(8):
            if start == 0:
                return None
            value = self._values[start - 1]
            first = int(np.searchsorted(self._values, value, side="left"))
            covering = [i for i in range(max(first, start - _ALIASES), start) if self._covers(i, address, after)]
            if covering:
                return self._symbol(min(covering, key=self._preference))
            start = first
        return None

    def _covers(self, index: int, address: int, after: int) -> bool:
        start, size = int(self._symbols["value"][index]), int(self._symbols["size"][index])
        if size:
            return address < start + size
        # Hand-written assembly often states no size: such a symbol reaches to the next one, or to its section's end.
        return address < int(self._ends[index]) and (after == len(self._values) or int(self._values[after]) > address)

    def _preference(self, index: int) -> tuple[bool, int, int, int, str]:
        name = self._name(index)
        binding = int(self._symbols["info"][index]) >> 4
        rank = {_STB_GLOBAL: 0, _STB_WEAK: 1, _STB_LOCAL: 2}.get(binding, 3)
        underscores = len(name) - len(name.lstrip("_"))
        return int(self._symbols["size"][index]) == 0, rank, underscores, len(name), name

    def _symbol(self, index: int) -> Symbol:
        return Symbol(self._name(index), int(self._symbols["value"][index]), int(self._symbols["size"][index]))

    def _name(self, index: int) -> str:
        names = self._names[int(self._tables[index])]
        start = int(self._symbols["name"][index])
        end = names.find(b"\0", start, start + _LONGEST_NAME)
        return names[start : end if end >= 0 else start + _LONGEST_NAME].decode("utf-8", "backslashreplace")
