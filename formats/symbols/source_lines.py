"""Finds the source files and lines of addresses in the debug information of one file."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bpfrec.formats.symbols.dwarf_cursor import BadDwarfError
from bpfrec.formats.symbols.dwarf_lines import SourceLine, lines_of
from bpfrec.formats.symbols.dwarf_units import Unit, Units, address_ranges
from bpfrec.formats.symbols.elf_sections import Content

# To decompress 256 bytes takes as long as to read one byte in Python.
_UNPACKED_SHIFT = 8


class OutOfBudgetError(Exception):
    """The budget does not allow what has to be read."""


@dataclass
class Budget:
    """How many bytes of debug information may still be read one by one; a megabyte takes about a second."""

    left: int

    def spend(self, size: int) -> None:
        """Takes ``size`` bytes from the budget.

        Raises:
            OutOfBudgetError: fewer are left; they stay there.
        """
        if size > self.left:
            raise OutOfBudgetError
        self.left -= size


class SourceLines:
    """The source lines of one file; ``content`` finds its sections by name."""

    def __init__(self, content: Callable[[str], Content | None]) -> None:
        self._content = content
        self._known: dict[str, Content | None] = {}
        self._budget = Budget(0)

    def find(self, addresses: Iterable[int], budget: Budget) -> tuple[dict[int, SourceLine], set[int]]:
        """The source lines of ``addresses`` (as the file numbers them), and those for which ``budget`` was too small.

        Addresses without a line are in neither.
        """
        self._budget = budget
        wanted = set(addresses)
        found: dict[int, SourceLine] = {}
        left: set[int] = set()
        try:
            self._find(wanted, found, left)
        except OutOfBudgetError:
            left |= wanted
        return found, left - found.keys()

    def _find(self, wanted: set[int], found: dict[int, SourceLine], left: set[int]) -> None:
        section = self._section(".debug_line")
        if section is None or not section.size or not wanted:
            return
        spend = self._budget.spend
        ranges = address_ranges(self._section, spend)
        units = Units(self._section, spend)

        def run(unit: Unit | None, some: set[int]) -> None:
            if unit is None or unit.lines is None or not some:
                return
            try:
                found.update(lines_of(section, unit.lines, unit.folder, sorted(some), units.text, spend))
            except BadDwarfError:
                pass
            except OutOfBudgetError:
                left.update(some)

        by_unit: dict[int, set[int]] = {}
        for address in wanted:
            place = ranges.unit_of(address)
            if place is not None:
                by_unit.setdefault(place, set()).add(address)
        rest = wanted.difference(*by_unit.values())
        for place, some in sorted(by_unit.items()):
            run(_unit(units, place), some)
        if rest:
            self._search(units, set(ranges.units.tolist()), rest, run)

    def _search(
        self, units: Units, indexed: set[int], rest: set[int], run: Callable[[Unit | None, set[int]], None]
    ) -> None:
        """Looks for ``rest`` in the units that are not in ``.debug_aranges``: not all compilers write it."""
        for place in units.offsets():
            if not rest:
                return
            unit = None if place in indexed else _unit(units, place)
            if unit is None:
                continue
            some = rest if unit.ranges is None else _within(unit.ranges, rest)
            run(unit, some)
            if unit.ranges is not None:
                rest -= some

    def _section(self, name: str) -> Content | None:
        if name not in self._known:
            found = self._known[name] = self._content(name)
            if found is not None:
                self._budget.spend(found.unpacked >> _UNPACKED_SHIFT)
        return self._known[name]


def _unit(units: Units, place: int) -> Unit | None:
    try:
        return units.at(place)
    except BadDwarfError:
        return None


def _within(ranges: list[tuple[int, int]], addresses: set[int]) -> set[int]:
    ordered = sorted(ranges)
    starts = [low for low, _ in ordered]
    places = ((address, bisect.bisect_right(starts, address) - 1) for address in addresses)
    return {address for address, at in places if at >= 0 and address < ordered[at][1]}
