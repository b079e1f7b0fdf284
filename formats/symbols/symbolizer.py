"""The function, source file and line at an address of a program, from its file and its debug files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from bpfrec.formats.symbols.dwarf_lines import SourceLine
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.formats.symbols.elf_symbols import Symbol, SymbolIndex
from bpfrec.formats.symbols.go_functions import GoFunctions
from bpfrec.formats.symbols.source_lines import Budget, SourceLines


class Symbolizer:
    """Asks ``files``, which all belong to one program: the program, its debug files, or both.

    Addresses are as the files number them.
    """

    def __init__(self, files: Sequence[ElfFile]) -> None:
        self._files = files

    def symbol_at(self, address: int) -> Symbol | None:
        """The function that covers ``address``; None where no symbol does."""
        return self._go_function(address) or self._index.find(address)

    def lines(self, addresses: Iterable[int], budget: Budget) -> tuple[dict[int, SourceLine], int]:
        """The source lines of ``addresses``, and for how many of them ``budget`` was too small."""
        asked = set(addresses)
        found = {
            address: SourceLine(*line) for address in asked for go in self._go if (line := go.line(address)) is not None
        }
        left: set[int] = set()
        for file in self._files:
            wanted = asked - found.keys()
            if not wanted:
                break
            lines, too_many = SourceLines(file.content).find(wanted, budget)
            found |= lines
            left |= too_many
        return found, len(left - found.keys())

    def _go_function(self, address: int) -> Symbol | None:
        for go in self._go:
            function = go.find(address)
            if function is not None:
                return Symbol(function.name, function.start, function.end - function.start)
        return None

    @cached_property
    def _go(self) -> list[GoFunctions]:
        return [file.go_functions for file in self._files if file.go_functions is not None]

    @cached_property
    def _index(self) -> SymbolIndex:
        return SymbolIndex([table for file in self._files for table in file.symbol_tables()])
