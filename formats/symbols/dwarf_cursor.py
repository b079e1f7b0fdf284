"""Reading the encodings of DWARF: numbers, strings and attribute forms.

Source: DWARF 5, chapters 7.5.5 and 7.6; LLVM and gcc's extensions of version 4 as in binutils' include/dwarf2.h.
"""

from __future__ import annotations

import struct

_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
_LONGEST_NUMBER = 10
_WIDE = 0xFFFFFFFF

ADDRESS, STRING, STRP, LINE_STRP, SEC_OFFSET = 0x01, 0x08, 0x0E, 0x1F, 0x17
DATA2, DATA4, DATA8, DATA1, DATA16, UDATA, BLOCK = 0x05, 0x06, 0x07, 0x0B, 0x1E, 0x0F, 0x09
STRX, ADDRX, RNGLISTX, IMPLICIT_CONST = 0x1A, 0x1B, 0x23, 0x21
_INDIRECT, _REF_ADDR, _SDATA = 0x16, 0x10, 0x0D
_FIXED = {
    ADDRESS: 8,
    DATA1: 1,
    DATA2: 2,
    DATA4: 4,
    DATA8: 8,
    DATA16: 16,
    0x0C: 1,
    0x11: 1,
    0x12: 2,
    0x13: 4,
    0x14: 8,
    0x19: 0,
    0x1C: 4,
    0x20: 8,
    0x24: 8,
    0x25: 1,
    0x26: 2,
    0x27: 3,
    0x28: 4,
    0x29: 1,
    0x2A: 2,
    0x2B: 3,
    0x2C: 4,
}
_OFFSETS = frozenset((STRP, LINE_STRP, SEC_OFFSET, 0x1D, 0x1F20, 0x1F21))
_NUMBERS = frozenset((UDATA, 0x15, STRX, ADDRX, 0x22, RNGLISTX, 0x1F01, 0x1F02))
_SIZED = {0x0A: 1, 0x03: 2, 0x04: 4}
_BLOCKS = frozenset((BLOCK, 0x18))

_SAME = {0x25: STRX, 0x26: STRX, 0x27: STRX, 0x28: STRX, 0x29: ADDRX, 0x2A: ADDRX, 0x2B: ADDRX, 0x2C: ADDRX}
_SAME |= {0x1F01: ADDRX, 0x1F02: STRX}


class BadDwarfError(Exception):
    """Debug information that cannot be read."""


class Cursor:
    """A place in ``data``. All reading raises BadDwarfError at its end."""

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
        """The length that a unit begins with, and whether it is of the 64-bit format."""
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
        """An attribute's value, and its form: STRX and ADDRX for all of their sizes."""
        if form == _INDIRECT:
            form = self.unsigned()
        if form in (STRING, DATA16):
            return form, self.text() if form == STRING else self.take(16)
        if form in _FIXED:
            return _SAME.get(form, form), int.from_bytes(self.take(_FIXED[form]), "little")
        if form in _OFFSETS or form == _REF_ADDR:
            return form, self.offset(wide)
        if form in _NUMBERS:
            return _SAME.get(form, form), self.unsigned()
        if form == _SDATA:
            return form, self.signed()
        if form in _BLOCKS or form in _SIZED:
            size = int.from_bytes(self.take(_SIZED[form]), "little") if form in _SIZED else self.unsigned()
            return form, self.take(size)
        raise BadDwarfError(f"form {form:#x} is not known")
