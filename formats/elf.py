"""ELF files: load addresses, build ids and function symbols.

Sources: System V ABI (gabi), chapters "ELF Header", "Program Loading" and "Symbol Table". pyelftools reads the headers.
Root reads here what any user may have mapped: nothing that a file says makes reading it long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np
from elftools.elf.elffile import ELFFile

from bpfrec.formats.elf_symbols import HIGHEST_ADDRESS, SYMBOL, Symbol, SymbolIndex, SymbolTable

_SHF_COMPRESSED = 1 << 11
_LARGEST_TABLE = 1 << 30
_LARGEST_BUILD_ID = 64
_HEADER_BUDGET = 8 << 20

DEBUG_ROOT = Path("/usr/lib/debug/.build-id")
"""Where distributions keep separate debug files, by build id."""


class NotElfError(Exception):
    """A file that is no ELF file, or one that cannot be read as one; the text says why."""


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
            segments = list(_open(file).iter_segments())
            loaded = (
                _Segment(s["p_offset"], s["p_vaddr"], s["p_filesz"]) for s in segments if s["p_type"] == "PT_LOAD"
            )
            self._segments = [s for s in loaded if max(s.offset, s.address, s.file_size) < HIGHEST_ADDRESS]
            self.build_id = _build_id(segments)
        except NotElfError:
            raise
        except Exception as error:
            raise NotElfError(str(error) or type(error).__name__) from None
        self._index: SymbolIndex | None = None
        self._found: dict[int, Symbol | None] = {}

    def address_of(self, file_offset: int) -> int | None:
        """The address, as the file numbers it, of the byte at ``file_offset``; None where no segment loads it."""
        for segment in self._segments:
            if segment.offset <= file_offset < segment.offset + segment.file_size:
                return file_offset - segment.offset + segment.address
        return None

    def symbol_at(self, address: int) -> Symbol | None:
        """The function that covers ``address``; None where no symbol does."""
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


def _build_id(segments: list[Any]) -> str | None:
    """The build id, hex, from the first note that is one."""
    for segment in segments:
        if segment["p_type"] != "PT_NOTE":
            continue
        for note in segment.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID" and note["n_name"] == "GNU":
                identity = str(note["n_desc"])
                return identity if 0 < len(identity) <= 2 * _LARGEST_BUILD_ID else None
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
