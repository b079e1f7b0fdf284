"""Function symbols of ELF files, looked up by address.

Symbol tables are read as numpy arrays: a program like node has hundreds of thousands of symbols. Layout: ``struct
elf64_sym`` in include/uapi/linux/elf.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols.elf_sections import Content

SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)

HIGHEST_ADDRESS = 1 << 62
"""Addresses and sizes from here on are absurd, and would overflow the columns of a trace."""

STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_USUAL_NAME, _LONGEST_NAME = 1 << 8, 1 << 14
_ALIASES = 64
_NESTED = 8


@dataclass(frozen=True)
class Symbol:
    """A function: its name as linked (mangled), and ``address`` and ``size`` as the file numbers them (bytes)."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class SymbolTable:
    """``symbols`` (dtype :data:`SYMBOL`), and ``ends``: where the section of each ends.

    ``names``: the string table, of which only the names that are asked for are read: it may be a gigabyte of nothing.
    """

    symbols: NDArray[np.void]
    names: Content
    ends: NDArray[np.uint64]


def _functions(symbols: NDArray[np.void]) -> NDArray[np.bool_]:
    # Symbols without a type may be labels of hand-written assembly, as _start of glibc's ld.so.
    kind = symbols["info"] & 0xF
    code = (kind == _STT_FUNC) | (kind == _STT_GNU_IFUNC) | (kind == STT_NOTYPE)
    sane = (symbols["value"] < HIGHEST_ADDRESS) & (symbols["size"] < HIGHEST_ADDRESS)
    chosen: NDArray[np.bool_] = code & sane & (symbols["section"] != 0)
    return chosen


class SymbolIndex:
    """The function symbols of several tables, looked up as gdb does."""

    def __init__(self, tables: list[SymbolTable]) -> None:
        self._names = [table.names for table in tables]
        chosen = [_functions(table.symbols) for table in tables]
        symbols = [table.symbols[which] for table, which in zip(tables, chosen, strict=True)]
        ends = [table.ends[which] for table, which in zip(tables, chosen, strict=True)]
        numbers = [np.full(len(part), number) for number, part in enumerate(symbols)]
        unsorted = np.concatenate([np.empty(0, SYMBOL), *symbols])
        order = np.argsort(unsorted["value"], kind="stable")
        self._symbols = unsorted[order]
        self._ends = np.concatenate([np.empty(0, np.uint64), *ends])[order]
        self._tables = np.concatenate([np.empty(0, np.int64), *numbers])[order]
        is_sized = self._symbols["size"] > 0
        # Indexes into the symbols with and without a size, and their addresses, which rise.
        self._sized, self._unsized = np.flatnonzero(is_sized), np.flatnonzero(~is_sized)
        self._starts = np.ascontiguousarray(self._symbols["value"][self._sized])
        self._unsized_starts = np.ascontiguousarray(self._symbols["value"][self._unsized])

    def find(self, address: int) -> Symbol | None:
        """The function around ``address``: the last symbol that begins before it and is long enough.

        Hand-written assembly often has no sizes. Where no symbol with a size is around it, one without a size reaches
        to the next symbol, or to the end of its section.
        """
        found = self._find_sized(address)
        if found is None:
            found = self._find_unsized(address)
        symbol = None if found is None else self._symbol(found)
        return symbol if symbol is not None and symbol.name else None

    def _find_sized(self, address: int) -> int | None:
        # With a Python int, numpy would convert the whole table to floats.
        start = int(np.searchsorted(self._starts, np.uint64(address), side="right"))
        # A function may lie inside an earlier, larger symbol: look at the last few starts.
        for _ in range(_NESTED):
            if start == 0:
                return None
            first = int(np.searchsorted(self._starts, self._starts[start - 1], side="left"))
            covering = [int(i) for i in self._sized[max(first, start - _ALIASES) : start] if self._covers(i, address)]
            if covering:
                # Of several names of one function gdb takes the last, which has the fewest underscores.
                return max(covering, key=self._name)
            start = first
        return None

    def _find_unsized(self, address: int) -> int | None:
        start = int(np.searchsorted(self._unsized_starts, np.uint64(address), side="right"))
        if start == 0:
            return None
        value = self._unsized_starts[start - 1]
        between = np.searchsorted(self._starts, np.array([value, address], np.uint64), side="right")
        if between[0] != between[1]:
            return None
        first = int(np.searchsorted(self._unsized_starts, value, side="left"))
        aliases = self._unsized[max(first, start - _ALIASES) : start]
        reaching = [int(i) for i in aliases if address < int(self._ends[i])]
        return max(reaching, key=self._preference, default=None)

    def _covers(self, index: int, address: int) -> bool:
        return address < int(self._symbols["value"][index]) + int(self._symbols["size"][index])

    def _preference(self, index: int) -> tuple[bool, str]:
        return int(self._symbols["info"][index]) & 0xF != STT_NOTYPE, self._name(index)

    def _symbol(self, index: int) -> Symbol:
        return Symbol(self._name(index), int(self._symbols["value"][index]), int(self._symbols["size"][index]))

    def _name(self, index: int) -> str:
        names = self._names[int(self._tables[index])]
        start = int(self._symbols["name"][index])
        name, end, _ = names.read(start, _USUAL_NAME).partition(b"\0")
        if not end:
            name, _, _ = names.read(start, _LONGEST_NAME).partition(b"\0")
        # Symbol versions follow an @, as in realpath@@GLIBC_2.3.
        version = name.find(b"@", 1)
        return name[: version if version > 0 else None].decode("utf-8", "backslashreplace")
