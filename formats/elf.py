"""ELF files: load addresses, build ids and function symbols.

Sources: System V ABI (gabi), chapters "Symbol Table" and "Program Loading"; ``struct elf64_sym`` in
include/uapi/linux/elf.h. pyelftools reads the headers; symbol tables are read as numpy arrays, since a program like
node has hundreds of thousands of symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from numpy.typing import NDArray

_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_STB_LOCAL, _STB_GLOBAL, _STB_WEAK = 0, 1, 2

DEBUG_ROOT = Path("/usr/lib/debug/.build-id")
"""Where distributions keep separate debug files, by build id."""


class NotElf(Exception):
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
        NotElf: not an ELF file of 64 bits, or its headers do not hold together.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._elf = ELFFile(file)
            if self._elf.elfclass != 64 or not self._elf.little_endian:
                raise NotElf("not a 64-bit little-endian ELF file")
            self._segments = [
                _Segment(s["p_offset"], s["p_vaddr"], s["p_filesz"])
                for s in self._elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ]
            self.build_id = self._read_build_id()
        except NotElf:
            raise
        except Exception as error:  # noqa: BLE001 - pyelftools raises whatever a damaged file leads it to
            raise NotElf(str(error) or type(error).__name__) from None
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
            self._index = _SymbolIndex(self._symbol_tables())
        return self._index.find(address)

    def _read_build_id(self) -> str | None:
        for segment in self._elf.iter_segments():
            if segment["p_type"] != "PT_NOTE":
                continue
            for note in segment.iter_notes():
                if note["n_type"] == "NT_GNU_BUILD_ID" and isinstance(note["n_desc"], str):
                    return str(note["n_desc"])
        return None

    def _symbol_tables(self) -> list[tuple[NDArray[np.void], bytes]]:
        debug = self._debug_file_tables()
        own = _tables_of(self._elf)
        return debug + own

    def _debug_file_tables(self) -> list[tuple[NDArray[np.void], bytes]]:
        if not self.build_id:
            return []
        path = DEBUG_ROOT / self.build_id[:2] / f"{self.build_id[2:]}.debug"
        try:
            with path.open("rb") as file:
                return _tables_of(ELFFile(file))
        except (OSError, ELFError):
            return []


def _tables_of(elf: Any) -> list[tuple[NDArray[np.void], bytes]]:
    tables = []
    try:
        for section in elf.iter_sections():
            if section["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM"):
                names = elf.get_section(section["sh_link"]).data()
                raw = section.data()
                count = len(raw) // _SYMBOL.itemsize
                tables.append((np.frombuffer(raw, _SYMBOL, count), names))
    except Exception:  # noqa: BLE001 - pyelftools raises whatever a damaged file leads it to; symbols found so far serve
        return tables
    return tables


class _SymbolIndex:
    """Function symbols of several tables, sorted by address, the preferred name of an address first."""

    def __init__(self, tables: list[tuple[NDArray[np.void], bytes]]) -> None:
        self._names = [names for _, names in tables]
        parts = []
        for number, (table, _) in enumerate(tables):
            kind, defined = table["info"] & 0xF, table["section"] != 0
            functions = ((kind == _STT_FUNC) | (kind == _STT_GNU_IFUNC) | ((kind == _STT_NOTYPE) & (table["size"] > 0))) & defined
            chosen = table[functions]
            parts.append((chosen, np.full(len(chosen), number)))
        if parts:
            self._symbols = np.concatenate([symbols for symbols, _ in parts])
            self._tables = np.concatenate([numbers for _, numbers in parts])
        else:
            self._symbols, self._tables = np.empty(0, _SYMBOL), np.empty(0, np.int64)
        order = np.argsort(self._symbols["value"], kind="stable")
        self._symbols, self._tables = self._symbols[order], self._tables[order]
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
            covering = [i for i in range(first, start) if self._covers(i, address, after)]
            if covering:
                return self._symbol(min(covering, key=self._preference))
            start = first
        return None

    def _covers(self, index: int, address: int, after: int) -> bool:
        start, size = int(self._symbols["value"][index]), int(self._symbols["size"][index])
        if size:
            return address < start + size
        # Hand-written assembly often states no size: such a symbol reaches to the next one.
        return after == len(self._values) or int(self._values[after]) > address

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
        end = names.find(b"\0", start)
        return names[start : end if end >= 0 else len(names)].decode("utf-8", "backslashreplace")
