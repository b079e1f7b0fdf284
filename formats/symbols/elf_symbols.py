"""Function symbols of ELF files, looked up by address.

Symbol tables are read as numpy arrays: a program like node has hundreds of thousands of symbols. Layout: ``struct
elf64_sym`` in include/uapi/linux/elf.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)

HIGHEST_ADDRESS = 1 << 62
"""Addresses and sizes from here on are absurd, and would overflow the columns of a trace."""

_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_LONGEST_NAME = 1 << 14
_ALIASES = 64


@dataclass(frozen=True)
class Symbol:
    """A function: its name as linked (mangled), and ``address`` and ``size`` as the file numbers them (bytes)."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class SymbolTable:
    """``symbols`` (dtype :data:`SYMBOL`), the string table ``names``, and ``ends``: where the section of each ends."""

    symbols: NDArray[np.void]
    names: bytes
    ends: NDArray[np.uint64]


def _functions(symbols: NDArray[np.void]) -> NDArray[np.bool_]:
    kind = symbols["info"] & 0xF
    code = (kind == _STT_FUNC) | (kind == _STT_GNU_IFUNC) | ((kind == _STT_NOTYPE) & (symbols["size"] > 0))
    sane = (symbols["value"] < HIGHEST_ADDRESS) & (symbols["size"] < HIGHEST_ADDRESS)
    chosen: NDArray[np.bool_] = code & sane & (symbols["section"] != 0)
    return chosen


class SymbolIndex:
    """The function symbols of several tables, sorted by address."""

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
        self._values = np.ascontiguousarray(self._symbols["value"])

    def find(self, address: int) -> Symbol | None:
        """The innermost symbol around ``address``: the last one that begins before it and is long enough."""
        # With a Python int, numpy would convert the whole table to floats.
        after = int(np.searchsorted(self._values, np.uint64(address), side="right"))
        start = after
        # A function may lie inside an earlier, larger symbol: look at the last few starts.
        for _ in range(8):
            if start == 0:
                return None
            value = self._values[start - 1]
            first = int(np.searchsorted(self._values, value, side="left"))
            covering = [i for i in range(max(first, start - _ALIASES), start) if self._covers(i, address, after)]
            if covering:
                symbol = self._symbol(max(covering, key=self._preference))
                return symbol if symbol.name else None
            start = first
        return None

    def _covers(self, index: int, address: int, after: int) -> bool:
        start, size = int(self._symbols["value"][index]), int(self._symbols["size"][index])
        if size:
            return address < start + size
        # Hand-written assembly often has no sizes: such a symbol reaches to the next one, or to its section's end.
        return address < int(self._ends[index]) and (after == len(self._values) or int(self._values[after]) > address)

    def _preference(self, index: int) -> tuple[bool, str]:
        """The order of several names of one function. gdb takes the last by name, which has the fewest underscores."""
        return int(self._symbols["size"][index]) > 0, self._name(index)

    def _symbol(self, index: int) -> Symbol:
        return Symbol(self._name(index), int(self._symbols["value"][index]), int(self._symbols["size"][index]))

    def _name(self, index: int) -> str:
        names = self._names[int(self._tables[index])]
        start = int(self._symbols["name"][index])
        end = names.find(b"\0", start, start + _LONGEST_NAME)
        name = names[start : end if end >= 0 else start + _LONGEST_NAME]
        # Symbol versions follow an @, as in realpath@@GLIBC_2.3.
        version = name.find(b"@", 1)
        return name[: version if version > 0 else None].decode("utf-8", "backslashreplace")
