"""Reads the encodings of DWARF: numbers, strings and attribute forms.

Source: DWARF 5, chapters 7.5.5 and 7.6; for the extensions of gcc and LLVM include/dwarf2.h of binutils.
"""

from __future__ import annotations

import struct

from bpfrec.formats.symbols.dwarf_names import FORM

_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_LONGEST_NUMBER = 10
_WIDE = 0xFFFFFFFF

_FIXED = {
    FORM.DW_FORM_addr: 8,
    FORM.DW_FORM_data1: 1,
    FORM.DW_FORM_data2: 2,
    FORM.DW_FORM_data4: 4,
    FORM.DW_FORM_data8: 8,
    FORM.DW_FORM_flag: 1,
    FORM.DW_FORM_ref1: 1,
    FORM.DW_FORM_ref2: 2,
    FORM.DW_FORM_ref4: 4,
    FORM.DW_FORM_ref8: 8,
    FORM.DW_FORM_flag_present: 0,
    FORM.DW_FORM_ref_sup4: 4,
    FORM.DW_FORM_ref_sig8: 8,
    FORM.DW_FORM_ref_sup8: 8,
    FORM.DW_FORM_strx1: 1,
    FORM.DW_FORM_strx2: 2,
    FORM.DW_FORM_strx3: 3,
    FORM.DW_FORM_strx4: 4,
    FORM.DW_FORM_addrx1: 1,
    FORM.DW_FORM_addrx2: 2,
    FORM.DW_FORM_addrx3: 3,
    FORM.DW_FORM_addrx4: 4,
}
"""Sizes in bytes of forms that are numbers of fixed size."""

_OFFSETS = frozenset(
    (
        FORM.DW_FORM_strp,
        FORM.DW_FORM_line_strp,
        FORM.DW_FORM_sec_offset,
        FORM.DW_FORM_ref_addr,
        FORM.DW_FORM_strp_sup,
        FORM.DW_FORM_GNU_ref_alt,
        FORM.DW_FORM_GNU_strp_alt,
    )
)
_NUMBERS = frozenset(
    (
        FORM.DW_FORM_udata,
        FORM.DW_FORM_ref_udata,
        FORM.DW_FORM_strx,
        FORM.DW_FORM_addrx,
        FORM.DW_FORM_loclistx,
        FORM.DW_FORM_rnglistx,
        FORM.DW_FORM_GNU_addr_index,
        FORM.DW_FORM_GNU_str_index,
    )
)
_SIZED_BLOCKS = {FORM.DW_FORM_block1: 1, FORM.DW_FORM_block2: 2, FORM.DW_FORM_block4: 4}
"""Blocks behind a size that takes so many bytes."""
_BLOCKS = frozenset((FORM.DW_FORM_block, FORM.DW_FORM_exprloc))

_SAME = dict.fromkeys(
    (
        FORM.DW_FORM_strx1,
        FORM.DW_FORM_strx2,
        FORM.DW_FORM_strx3,
        FORM.DW_FORM_strx4,
        FORM.DW_FORM_GNU_str_index,
    ),
    FORM.DW_FORM_strx,
) | dict.fromkeys(
    (
        FORM.DW_FORM_addrx1,
        FORM.DW_FORM_addrx2,
        FORM.DW_FORM_addrx3,
        FORM.DW_FORM_addrx4,
        FORM.DW_FORM_GNU_addr_index,
    ),
    FORM.DW_FORM_addrx,
)
"""The form that stands for all of its sizes."""


class BadDwarfError(Exception):
    """Debug information is damaged or not supported; the text says how."""


class Cursor:
    """Reads ``data`` from ``at`` on. All methods raise BadDwarfError at its end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.at + size
        if size < 0 or end > len(self.data):
            raise BadDwarfError("it ends too early")
        raw = self.data[self.at : end]
        self.at = end
        return raw

    def u8(self) -> int:
        """A byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Two bytes."""
        return int(_U16.unpack(self.take(2))[0])

    def u32(self) -> int:
        """Four bytes."""
        return int(_U32.unpack(self.take(4))[0])

    def u64(self) -> int:
        """Eight bytes."""
        return int(_U64.unpack(self.take(8))[0])

    def offset(self, wide: bool) -> int:
        """An offset into a section, of 8 bytes in the 64-bit format."""
        return self.u64() if wide else self.u32()

    def length(self) -> tuple[int, bool]:
        """The length at the start of a unit, in bytes, and whether the unit is in the 64-bit format."""
        length = self.u32()
        return (self.u64(), True) if length == _WIDE else (length, False)

    def unsigned(self) -> int:
        """An unsigned LEB128 number."""
        value = 0
        for shift in range(0, 7 * _LONGEST_NUMBER, 7):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise BadDwarfError("a number is too long")

    def signed(self) -> int:
        """A signed LEB128 number."""
        start = self.at
        value = self.unsigned()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def text(self) -> bytes:
        """The bytes up to a NUL."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise BadDwarfError("a string does not end")
        raw = self.data[self.at : end]
        self.at = end + 1
        return raw

    def form(self, form: int, wide: bool) -> tuple[int, int | bytes]:
        """An attribute's form and value; ``wide``: in the 64-bit format.

        All sizes of strx, and all of addrx, are given as one form.
        """
        if form == FORM.DW_FORM_indirect:
            form = self.unsigned()
        if form == FORM.DW_FORM_string:
            value: int | bytes = self.text()
        elif form == FORM.DW_FORM_data16:
            value = self.take(16)
        elif form in _FIXED:
            value = int.from_bytes(self.take(_FIXED[form]), "little")
        elif form in _OFFSETS:
            value = self.offset(wide)
        elif form in _NUMBERS:
            value = self.unsigned()
        elif form == FORM.DW_FORM_sdata:
            value = self.signed()
        elif form in _SIZED_BLOCKS:
            value = self.take(int.from_bytes(self.take(_SIZED_BLOCKS[form]), "little"))
        elif form in _BLOCKS:
            value = self.take(self.unsigned())
        else:
            raise BadDwarfError(f"form {form:#x} is not known")
        return _SAME.get(form, form), value
