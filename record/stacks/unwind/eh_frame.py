"""The unwind table of one ELF file. Its index, ``.eh_frame_hdr``, leads to the few functions that are asked for.

Source: Linux Standard Base, Core, chapters 10.6 and 10.6.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bpfrec.formats.symbols.dwarf_names import EH_PE
from bpfrec.formats.symbols.elf import ElfFile
from bpfrec.formats.symbols.elf_symbols import Symbol
from bpfrec.record.stacks.unwind.call_instruction import LONGEST_CALL, ends_call
from bpfrec.record.stacks.unwind.cfi import CfiRow, Cie, parse_cie, row_at
from bpfrec.record.stacks.unwind.encoding import MASK, BadUnwindInfoError, Cursor
from bpfrec.record.stacks.unwind.go_frames import RETURN_ADDRESS, go_rules
from bpfrec.record.stacks.unwind.signal_frames import NAME, RULES, trampoline_start

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_HEADER_VERSION = 1
# What all linkers write: pairs of 32 bits, relative to the index, and sorted.
_PAIRS = EH_PE.DW_EH_PE_datarel | EH_PE.DW_EH_PE_sdata4
_LARGEST_ENTRY = 1 << 18
# Bytes of entries that are executed for one file: they take some seconds, and no program needs as many.
_MOST_EXECUTED = 1 << 24
# _start of glibc's ld.so, which has no rules, takes 53 bytes with _dl_start_user behind it; musl's takes 19.
_ENTRY_BYTES = 64
_ENTRY_NAME = "_start"
# Bytes of a table without an index: 0.4 million functions, which take some seconds.
_LARGEST_UNINDEXED = 1 << 24
_ENTRY = np.dtype([("start", "<i4"), ("place", "<i4")])


@dataclass(frozen=True, slots=True)
class FunctionRules:
    """The rules of a function at an address. For ``is_signal`` see :class:`.Cie`, for the last :class:`.GoRules`."""

    row: CfiRow
    return_register: int
    is_signal: bool
    switches_stacks: bool = False


class UnwindTable:
    """The unwind table of ``elf``. It is empty where there is none (``is_missing``) or a damaged one (``failure``)."""

    TRAMPOLINE = FunctionRules(RULES, RETURN_ADDRESS, is_signal=True)

    def __init__(self, elf: ElfFile) -> None:
        self._elf = elf
        self.failure = ""
        self.is_missing = False
        self._starts: NDArray[np.int64] = np.empty(0, np.int64)
        self._places: NDArray[np.int64] = np.empty(0, np.int64)
        self._executed = 0
        self._cies: dict[int, Cie] = {}
        self._rows: dict[int, FunctionRules | None] = {}
        try:
            if elf.unwind_index is not None:
                self._read_index(*elf.unwind_index)
            else:
                self._make_index()
        except BadUnwindInfoError as error:
            self.failure = str(error)

    def find(self, address: int) -> FunctionRules | None:
        """The rules at ``address``, as the file numbers it; None where the table has no function.

        Raises:
            BadUnwindInfoError: the entry for it is damaged.
        """
        # The same return addresses come again and again.
        if address not in self._rows:
            self._rows[address] = self._find(address)
        return self._rows[address]

    def find_offset(self, file_offset: int) -> FunctionRules | None:
        """The same for the byte at ``file_offset``; Go's functions are found in Go's own table."""
        address = self._elf.address_of(file_offset)
        if address is None:
            return None
        if trampoline_start(self._elf.read_at, address) is not None:
            return self.TRAMPOLINE
        row = self.find(address)
        # It takes long to find out whether a file is Go's, and few addresses are left by now.
        if row is None and not self._is_entry(address) and self._elf.go_functions is not None:
            go = go_rules(self._elf.go_functions, address)
            return (
                FunctionRules(go.row, RETURN_ADDRESS, is_signal=False, switches_stacks=go.switches_stacks)
                if go
                else None
            )
        return row

    def conventional_symbol(self, address: int) -> Symbol | None:
        """The function at ``address``, as the file numbers it, if it is one that has its name by convention."""
        start = trampoline_start(self._elf.read_at, address)
        if start is not None and start <= address:
            return Symbol(NAME, start, 0)
        return Symbol(_ENTRY_NAME, self._elf.entry, 0) if self._is_entry(address) else None

    def ends_call(self, file_offset: int) -> bool:
        """Whether a call instruction may end with the byte at ``file_offset``."""
        address = self._elf.address_of(file_offset)
        return address is not None and ends_call(self._elf.read_at(address + 1 - LONGEST_CALL, LONGEST_CALL))

    def is_entry(self, file_offset: int) -> bool:
        """Whether the byte at ``file_offset`` is in the code where a process begins, for which few files have rules."""
        address = self._elf.address_of(file_offset)
        return address is not None and self._is_entry(address)

    def _is_entry(self, address: int) -> bool:
        return self._elf.entry <= address < self._elf.entry + _ENTRY_BYTES

    def _read_index(self, address: int, size: int) -> None:
        cursor = Cursor(self._elf.read_at(address, size), 0, address)
        version, frame, count, table = cursor.take(4)
        if version != _HEADER_VERSION or EH_PE.DW_EH_PE_omit in (frame, count, table):
            raise BadUnwindInfoError("the index of its unwind table is of a kind that is not known")
        cursor.pointer(frame, address)
        entries = cursor.pointer(count, address)
        if table != _PAIRS:
            raise BadUnwindInfoError("the index of its unwind table is of a kind that is not known")
        held = (len(cursor.data) - cursor.position) // _ENTRY.itemsize
        index = np.frombuffer(cursor.data, _ENTRY, min(entries, held), cursor.position)
        self._starts = index["start"].astype(np.int64) + address
        self._places = index["place"].astype(np.int64) + address
        if np.any(self._starts[1:] < self._starts[:-1]):
            raise BadUnwindInfoError("the index of its unwind table is not sorted")

    def _make_index(self) -> None:
        """Reads the whole table: programs that are linked statically have no index."""
        section = self._elf.section(".eh_frame")
        if section is None:
            self.is_missing = True
            raise BadUnwindInfoError("it has no unwind table")
        at, end = section[0], section[0] + min(section[1], _LARGEST_UNINDEXED)
        found: list[tuple[int, int]] = []
        while at + 4 <= end:
            length = _U32.unpack(self._read(at, 4))[0]
            if not length:
                break
            data, place = self._entry(at)
            distance = _U32.unpack_from(data)[0]
            if distance:
                cie = self._cie(place - distance)
                found.append((Cursor(data, 4, place).pointer(cie.pointer_encoding, None), at))
            at = place + len(data)
        table = np.array(sorted(found), np.uint64).reshape(-1, 2).view(np.int64)
        self._starts, self._places = table[:, 0].copy(), table[:, 1].copy()

    def _find(self, address: int) -> FunctionRules | None:
        number = int(np.searchsorted(self._starts, address, side="right")) - 1
        if number < 0:
            return None
        data, place = self._entry(int(self._places[number]))
        cursor = Cursor(data, 0, place)
        distance = cursor.fixed(_U32)
        if not distance:
            raise BadUnwindInfoError("its index points at something that is not a function")
        cie = self._cie(place - distance)
        start = cursor.pointer(cie.pointer_encoding, None)
        length = cursor.pointer(cie.pointer_encoding & 0x0F)
        if not start <= address < start + length:
            return None
        if cie.augmented:
            cursor.take(cursor.uleb())
        self._executed += len(data)
        if self._executed > _MOST_EXECUTED:
            raise BadUnwindInfoError("its unwind table takes too long to follow")
        row = row_at(cie, data[cursor.position :], start, address)
        return FunctionRules(row, cie.return_register, cie.is_signal)

    def _cie(self, place: int) -> Cie:
        if place not in self._cies:
            data, behind_length = self._entry(place)
            if _U32.unpack_from(data)[0]:
                raise BadUnwindInfoError("a function refers to something that is not a CIE")
            self._cies[place] = parse_cie(data[4:], behind_length + 4)
        return self._cies[place]

    def _entry(self, address: int) -> tuple[bytes, int]:
        """The content of the entry at ``address``, behind its length, and the address of that content."""
        length = _U32.unpack(self._read(address, 4))[0]
        address += 4
        if length == MASK & 0xFFFFFFFF:
            length = _U64.unpack(self._read(address, 8))[0]
            address += 8
        if not 4 <= length <= _LARGEST_ENTRY:
            raise BadUnwindInfoError(f"an entry of {length} bytes")
        return self._read(address, length), address

    def _read(self, address: int, size: int) -> bytes:
        data = self._elf.read_at(address, size)
        if len(data) < size:
            raise BadUnwindInfoError("it reaches beyond the file")
        return data
