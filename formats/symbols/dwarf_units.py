"""Which compilation unit the code at an address is of, and where its lines are.

By ``.debug_aranges``, which gcc writes, else by the ranges of the units themselves. Source: DWARF 5, chapters 3.1.1,
6.1.2, 7.5 and 2.17; the same of DWARF 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols import dwarf_cursor as form
from bpfrec.formats.symbols.dwarf_cursor import BadDwarfError, Cursor
from bpfrec.formats.symbols.elf_sections import Content

_HEADER_BYTES = 64
_UNIT_BYTES = 1 << 10
_ABBREVIATIONS_BYTES = 1 << 16
_LARGEST_ARANGES = 1 << 28
_MOST_RANGES = 1 << 16
_RANGES_BYTES = 1 << 20
_LONGEST_PATH = 4096
_WORD = 8
_SET_BYTES = 12

_COMPILE_UNITS = (0x11, 0x4A)
_UT_COMPILE, _UT_SKELETON = 1, 4
_STMT_LIST, _LOW_PC, _HIGH_PC, _COMP_DIR, _RANGES = 0x10, 0x11, 0x12, 0x1B, 0x55
_ADDR_BASE, _RNGLISTS_BASE = 0x73, 0x74
_RLE_END, _RLE_BASE_X, _RLE_X_X, _RLE_X_LENGTH, _RLE_OFFSETS, _RLE_BASE, _RLE_PAIR, _RLE_LENGTH = range(8)

Contents = Callable[[str], Content | None]
Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Unit:
    """A compilation unit. ``lines``: where its line program stands in ``.debug_line``, None: it has none.

    ``ranges``: the addresses of its code, from and up to; None: it does not say so in a way that is read here.
    """

    lines: int | None
    folder: bytes
    ranges: Ranges | None


@dataclass(frozen=True)
class AddressRanges:
    """What ``.debug_aranges`` says, in order of address: from, up to, and the offset of the unit."""

    starts: NDArray[np.uint64]
    ends: NDArray[np.uint64]
    units: NDArray[np.uint64]

    def unit_of(self, address: int) -> int | None:
        """The offset of the unit whose code is at ``address``."""
        at = int(np.searchsorted(self.starts, np.uint64(address), side="right")) - 1
        return int(self.units[at]) if at >= 0 and address < int(self.ends[at]) else None


def address_ranges(contents: Contents, spend: Callable[[int], None]) -> AddressRanges:
    """All of ``.debug_aranges``; what is damaged ends it. ``spend`` is told of the bytes that are read one by one."""
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
                # Pairs stand at a multiple of their size from the start of the set.
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
    """The compilation units of one file; ``spend`` is told of the bytes that are read one by one."""

    def __init__(self, contents: Contents, spend: Callable[[int], None]) -> None:
        self._contents, self._spend = contents, spend
        self._info = contents(".debug_info")

    def at(self, offset: int) -> Unit | None:
        """The unit at ``offset``; None where it is of another kind.

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
        kind = cursor.u8() if version >= 5 else _UT_COMPILE
        size = cursor.u8() if version >= 5 else _WORD
        abbreviations = cursor.offset(wide)
        size = cursor.u8() if version < 5 else size
        if kind not in (_UT_COMPILE, _UT_SKELETON) or size != _WORD:
            return None
        if kind == _UT_SKELETON:
            cursor.take(_WORD)
        attributes = self._attributes(cursor, abbreviations, wide)
        return None if attributes is None else self._unit(attributes, version)

    def offsets(self) -> Iterator[int]:
        """Where all units begin; what is damaged ends it."""
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
        """The attributes of the unit's first entry, by name; None where that is no compilation unit."""
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
                constant = table.signed() if kind == form.IMPLICIT_CONST else 0
                if not name:
                    break
                if code == wanted and tag in _COMPILE_UNITS:
                    found[name] = (kind, constant) if kind == form.IMPLICIT_CONST else cursor.form(kind, wide)
            if code == wanted:
                self._spend(table.at)
                return found if tag in _COMPILE_UNITS else None

    def _unit(self, attributes: dict[int, tuple[int, int | bytes]], version: int) -> Unit:
        _, lines = attributes.get(_STMT_LIST, (0, None))
        folder = self.text(*attributes.get(_COMP_DIR, (0, 0))) or b""
        return Unit(lines if isinstance(lines, int) else None, folder, self._ranges(attributes, version))

    def text(self, kind: int, value: int | bytes) -> bytes | None:
        """A string of that form; None where it stands in another file."""
        if isinstance(value, bytes):
            return value[:_LONGEST_PATH]
        section = self._contents({form.STRP: ".debug_str", form.LINE_STRP: ".debug_line_str"}.get(kind, ""))
        if section is None:
            return None
        raw, end, _ = section.read(value, _LONGEST_PATH).partition(b"\0")
        return raw if end else None

    def _ranges(self, attributes: dict[int, tuple[int, int | bytes]], version: int) -> Ranges | None:
        _, base = attributes.get(_ADDR_BASE, (0, _WORD))
        low = self._address(attributes.get(_LOW_PC), base)
        if _RANGES in attributes:
            kind, at = attributes[_RANGES]
            _, lists = attributes.get(_RNGLISTS_BASE, (0, 0))
            if not isinstance(at, int) or not isinstance(lists, int):
                return None
            if version < 5:
                return self._pairs(at, low or 0)
            if kind == form.RNGLISTX:
                at = lists + self._number(".debug_rnglists", lists + 4 * at, 4)
            return self._list(at, low or 0, base)
        kind, high = attributes.get(_HIGH_PC, (0, None))
        if low is None or not isinstance(high, int):
            return None
        end = self._address((kind, high), base) if kind in (form.ADDRESS, form.ADDRX) else low + high
        return None if end is None else [(low, end)]

    def _pairs(self, at: int, base: int) -> Ranges:
        """A list in ``.debug_ranges``."""
        section = self._contents(".debug_ranges")
        cursor = Cursor(section.read(at, _RANGES_BYTES) if section else b"")
        found: Ranges = []
        while len(found) < _MOST_RANGES:
            self._spend(1)
            low, high = cursor.u64(), cursor.u64()
            if low == high == 0:
                break
            if low == (1 << 64) - 1:
                base = high
            else:
                found.append((base + low, base + high))
        return found

    def _list(self, at: int, base: int, addresses: int | bytes) -> Ranges:
        """A list in ``.debug_rnglists``."""
        section = self._contents(".debug_rnglists")
        cursor = Cursor(section.read(at, _RANGES_BYTES) if section else b"")

        def indexed() -> int:
            return self._address((form.ADDRX, cursor.unsigned()), addresses) or 0

        found: Ranges = []
        while len(found) < _MOST_RANGES:
            self._spend(1)
            kind = cursor.u8()
            if kind == _RLE_END:
                break
            if kind in (_RLE_BASE, _RLE_BASE_X):
                base = cursor.u64() if kind == _RLE_BASE else indexed()
            elif kind == _RLE_OFFSETS:
                found.append((base + cursor.unsigned(), base + cursor.unsigned()))
            elif kind == _RLE_X_X:
                found.append((indexed(), indexed()))
            elif kind == _RLE_PAIR:
                found.append((cursor.u64(), cursor.u64()))
            elif kind in (_RLE_LENGTH, _RLE_X_LENGTH):
                start = cursor.u64() if kind == _RLE_LENGTH else indexed()
                found.append((start, start + cursor.unsigned()))
            else:
                raise BadDwarfError(f"an entry of kind {kind} in a list of ranges is not known")
        return found

    def _address(self, value: tuple[int, int | bytes] | None, base: int | bytes) -> int | None:
        if value is None or not isinstance(value[1], int) or not isinstance(base, int):
            return None
        return value[1] if value[0] != form.ADDRX else self._number(".debug_addr", base + _WORD * value[1], _WORD)

    def _number(self, name: str, at: int, size: int) -> int:
        section = self._contents(name)
        raw = section.read(at, size) if section else b""
        if len(raw) < size:
            raise BadDwarfError(f"{name} ends too early")
        return int.from_bytes(raw, "little")
