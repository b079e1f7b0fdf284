"""Finds the compilation unit of the code at an address, and the unit's line program.

``.debug_aranges``, which gcc writes, says it; else the ranges in the units themselves. Source: DWARF 5, chapters 3.1.1,
6.1.2, 7.5 and 2.17, and the same chapters of DWARF 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols.dwarf_cursor import BadDwarfError, Cursor
from bpfrec.formats.symbols.dwarf_names import AT, FORM, RLE, TAG, UT
from bpfrec.formats.symbols.elf_sections import Content

_HEADER_BYTES = 64
_UNIT_BYTES = 1 << 10
_ABBREVIATIONS_BYTES = 1 << 16
_LARGEST_ARANGES = 1 << 28
_MOST_RANGES = 1 << 16
_RANGES_BYTES = 1 << 20
_LONGEST_PATH = 4096
_WORD = 8
# In .debug_ranges: the other half of the pair is a new base.
_BASE_FOLLOWS = (1 << 64) - 1
_SET_BYTES = 12

_STRINGS = {FORM.DW_FORM_strp: ".debug_str", FORM.DW_FORM_line_strp: ".debug_line_str"}
_COMPILE_UNITS = (TAG.DW_TAG_compile_unit, TAG.DW_TAG_skeleton_unit)

Contents = Callable[[str], Content | None]
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Unit:
    """A compilation unit. ``lines``: the offset of its line program in ``.debug_line``; None: it has none.

    ``folder``: in which it was compiled. ``ranges``: the addresses of its code, from and up to; None: they are not
    given, or in a form that is not supported.
    """

    lines: int | None
    folder: bytes
    ranges: Ranges | None


@dataclass(frozen=True)
class AddressRanges:
    """The content of ``.debug_aranges`` in order of address: from, up to, and the offset of the unit."""

    starts: NDArray[np.uint64]
    ends: NDArray[np.uint64]
    units: NDArray[np.uint64]

    def unit_of(self, address: int) -> int | None:
        """The offset of the unit whose code is at ``address``; None where no range has it."""
        at = int(np.searchsorted(self.starts, np.uint64(address), side="right")) - 1
        return int(self.units[at]) if at >= 0 and address < int(self.ends[at]) else None


def address_ranges(contents: Contents, spend: Callable[[int], None]) -> AddressRanges:
    """Reads ``.debug_aranges`` up to its first damage. ``spend`` is told of the bytes that are read one by one."""
    section = contents(".debug_aranges")
    raw = b"" if section is None or section.size > _LARGEST_ARANGES else section.read(0, section.size)
    parts: list[NDArray[np.uint64]] = []
    at = 0
    try:
        while at < len(raw):
            spend(_SET_BYTES)
            cursor = Cursor(raw, at)
            length, wide = cursor.length()
            end = cursor.at + length
            version, unit, size, segment = cursor.u16(), cursor.offset(wide), cursor.u8(), cursor.u8()
            if end > len(raw) or end <= at:
                break
            if (version, size, segment) == (2, _WORD, 0):
                # The pairs begin at a multiple of their size, counted from the start of the set.
                first = at + -(-(cursor.at - at) // 16) * 16
                pairs = np.frombuffer(raw, "<u8", max(0, (end - first) // 16) * 2, min(first, len(raw))).reshape(-1, 2)
                pairs = pairs[pairs[:, 1] > 0]
                parts.append(np.column_stack([pairs[:, 0], pairs.sum(1), np.full(len(pairs), unit, np.uint64)]))
            at = end
    except BadDwarfError:
        pass
    table = np.concatenate([np.empty((0, 3), np.uint64), *parts])
    table = table[np.argsort(table[:, 0], kind="stable")]
    return AddressRanges(*(np.ascontiguousarray(table[:, i]) for i in range(3)))


class Units:
    """The compilation units of one file; ``contents`` finds sections. ``spend`` is told of bytes read one by one."""

    def __init__(self, contents: Contents, spend: Callable[[int], None]) -> None:
        self._contents, self._spend = contents, spend
        self._info = contents(".debug_info")

    def at(self, offset: int) -> Unit | None:
        """The unit at ``offset``; None where it is no compilation unit of 64-bit code.

        Raises:
            BadDwarfError: it is damaged, or of an unknown version.
        """
        if self._info is None:
            return None
        self._spend(_HEADER_BYTES)
        cursor = Cursor(self._info.read(offset, _UNIT_BYTES))
        _, wide = cursor.length()
        version = cursor.u16()
        if not 2 <= version <= 5:
            raise BadDwarfError(f"version {version} of DWARF is not known")
        kind = cursor.u8() if version >= 5 else UT.DW_UT_compile
        size = cursor.u8() if version >= 5 else _WORD
        abbreviations = cursor.offset(wide)
        size = cursor.u8() if version < 5 else size
        if kind not in (UT.DW_UT_compile, UT.DW_UT_skeleton) or size != _WORD:
            return None
        if kind == UT.DW_UT_skeleton:
            cursor.take(_WORD)
        attributes = self._attributes(cursor, abbreviations, wide)
        return None if attributes is None else self._unit(attributes, version)

    def offsets(self) -> Iterator[int]:
        """The offsets of all units, up to the first damage."""
        at = 0
        while self._info is not None and at < self._info.size:
            cursor = Cursor(self._info.read(at, _HEADER_BYTES))
            self._spend(1)
            try:
                length, _ = cursor.length()
            except BadDwarfError:
                return
            yield at
            at += cursor.at + length

    def _attributes(self, cursor: Cursor, abbreviations: int, wide: bool) -> dict[int, tuple[int, int | bytes]] | None:
        """Form and value of each attribute of the unit's first entry; None where that is not a compilation unit."""
        wanted = cursor.unsigned()
        section = self._contents(".debug_abbrev")
        table = Cursor(section.read(abbreviations, _ABBREVIATIONS_BYTES) if section else b"")
        while True:
            code = table.unsigned()
            if code == 0:
                raise BadDwarfError("an abbreviation is missing")
            tag = table.unsigned()
            table.u8()
            found: dict[int, tuple[int, int | bytes]] = {}
            while True:
                name, kind = table.unsigned(), table.unsigned()
                constant = table.signed() if kind == FORM.DW_FORM_implicit_const else 0
                if not name:
                    break
                if code == wanted and tag in _COMPILE_UNITS:
                    found[name] = (kind, constant) if kind == FORM.DW_FORM_implicit_const else cursor.form(kind, wide)
            if code == wanted:
                self._spend(table.at)
                return found if tag in _COMPILE_UNITS else None

    def _unit(self, attributes: dict[int, tuple[int, int | bytes]], version: int) -> Unit:
        _, lines = attributes.get(AT.DW_AT_stmt_list, (0, None))
        folder = self.text(*attributes.get(AT.DW_AT_comp_dir, (0, 0))) or b""
        return Unit(lines if isinstance(lines, int) else None, folder, self._ranges(attributes, version))

    def text(self, kind: int, value: int | bytes) -> bytes | None:
        """The string of an attribute by its form and value; None where it is in another file."""
        if isinstance(value, bytes):
            return value[:_LONGEST_PATH]
        section = self._contents(_STRINGS.get(kind, ""))
        if section is None:
            return None
        raw, end, _ = section.read(value, _LONGEST_PATH).partition(b"\0")
        return raw if end else None

    def _ranges(self, attributes: dict[int, tuple[int, int | bytes]], version: int) -> Ranges | None:
        _, base = attributes.get(AT.DW_AT_addr_base, (0, _WORD))
        low = self._address(attributes.get(AT.DW_AT_low_pc), base)
        if AT.DW_AT_ranges in attributes:
            kind, at = attributes[AT.DW_AT_ranges]
            _, lists = attributes.get(AT.DW_AT_rnglists_base, (0, 0))
            if not isinstance(at, int) or not isinstance(lists, int):
                return None
            if version < 5:
                return self._pairs(at, low or 0)
            if kind == FORM.DW_FORM_rnglistx:
                at = lists + self._number(".debug_rnglists", lists + 4 * at, 4)
            return self._list(at, low or 0, base)
        kind, high = attributes.get(AT.DW_AT_high_pc, (0, None))
        if low is None or not isinstance(high, int):
            return None
        end = self._address((kind, high), base) if kind in (FORM.DW_FORM_addr, FORM.DW_FORM_addrx) else low + high
        return None if end is None else [(low, end)]

    def _pairs(self, at: int, base: int) -> Ranges:
        """The list of ranges at ``at`` in ``.debug_ranges``."""
        section = self._contents(".debug_ranges")
        cursor = Cursor(section.read(at, _RANGES_BYTES) if section else b"")
        found: Ranges = []
        while len(found) < _MOST_RANGES:
            self._spend(1)
            low, high = cursor.u64(), cursor.u64()
            if low == high == 0:
                break
            if low == _BASE_FOLLOWS:
                base = high
            else:
                found.append((base + low, base + high))
        return found

    def _list(self, at: int, base: int, addresses: int | bytes) -> Ranges:
        """The list of ranges at ``at`` in ``.debug_rnglists``."""
        section = self._contents(".debug_rnglists")
        cursor = Cursor(section.read(at, _RANGES_BYTES) if section else b"")

        def indexed() -> int:
            return self._address((FORM.DW_FORM_addrx, cursor.unsigned()), addresses) or 0

        found: Ranges = []
        while len(found) < _MOST_RANGES:
            self._spend(1)
            kind = cursor.u8()
            if kind == RLE.DW_RLE_end_of_list:
                break
            if kind in (RLE.DW_RLE_base_address, RLE.DW_RLE_base_addressx):
                base = cursor.u64() if kind == RLE.DW_RLE_base_address else indexed()
            elif kind == RLE.DW_RLE_offset_pair:
                found.append((base + cursor.unsigned(), base + cursor.unsigned()))
            elif kind == RLE.DW_RLE_startx_endx:
                found.append((indexed(), indexed()))
            elif kind == RLE.DW_RLE_start_end:
                found.append((cursor.u64(), cursor.u64()))
            elif kind in (RLE.DW_RLE_start_length, RLE.DW_RLE_startx_length):
                start = cursor.u64() if kind == RLE.DW_RLE_start_length else indexed()
                found.append((start, start + cursor.unsigned()))
            else:
                raise BadDwarfError(f"an entry of kind {kind} in a list of ranges is not known")
        return found

    def _address(self, value: tuple[int, int | bytes] | None, base: int | bytes) -> int | None:
        if value is None or not isinstance(value[1], int) or not isinstance(base, int):
            return None
        if value[0] != FORM.DW_FORM_addrx:
            return value[1]
        return self._number(".debug_addr", base + _WORD * value[1], _WORD)

    def _number(self, name: str, at: int, size: int) -> int:
        section = self._contents(name)
        raw = section.read(at, size) if section else b""
        if len(raw) < size:
            raise BadDwarfError(f"{name} ends too early")
        return int.from_bytes(raw, "little")
