"""Numbers as unwind tables hold them: fixed, LEB128, and pointers with an encoding byte.

Sources: DWARF 4, chapter 7.6 (LEB128); Linux Standard Base, Core, chapter 10.5 (DW_EH_PE_*).
"""

from __future__ import annotations

import struct

MASK = (1 << 64) - 1

OMITTED = 0xFF
_INDIRECT = 0x80
_LONGEST_LEB = 10

_FORMATS = {
    0x00: struct.Struct("<Q"),
    0x02: struct.Struct("<H"),
    0x03: struct.Struct("<I"),
    0x04: struct.Struct("<Q"),
    0x0A: struct.Struct("<h"),
    0x0B: struct.Struct("<i"),
    0x0C: struct.Struct("<q"),
}


class BadUnwindInfoError(Exception):
    """Unwind tables that do not hold together; the text says what is wrong."""


class Cursor:
    """Reads ``data`` from ``position`` on; ``address``: where its first byte is, as the file numbers addresses."""

    def __init__(self, data: bytes, position: int = 0, address: int = 0) -> None:
        self.data, self.position, self.address = data, position, address

    def __bool__(self) -> bool:
        return self.position < len(self.data)

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        end = self.position + size
        if size < 0 or end > len(self.data):
            raise BadUnwindInfoError("it ends too early")
        found = self.data[self.position : end]
        self.position = end
        return found

    def fixed(self, kind: struct.Struct) -> int:
        """One number of a fixed size."""
        return int(kind.unpack(self.take(kind.size))[0])

    def uleb(self) -> int:
        """An unsigned LEB128 number; bits beyond 64 are dropped."""
        value = 0
        for number in range(_LONGEST_LEB):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * number)
            if not byte & 0x80:
                return value & MASK
        raise BadUnwindInfoError("a LEB128 number without an end")

    def sleb(self) -> int:
        """A signed LEB128 number."""
        value = 0
        for number in range(_LONGEST_LEB):
            byte = self.byte()
            value |= (byte & 0x7F) << (7 * number)
            if not byte & 0x80:
                bits = 7 * (number + 1)
                return value - (1 << bits) if byte & 0x40 else value
        raise BadUnwindInfoError("a LEB128 number without an end")

    def string(self) -> bytes:
        """Bytes up to a NUL."""
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise BadUnwindInfoError("a string without an end")
        found = self.data[self.position : end]
        self.position = end + 1
        return found

    def pointer(self, encoding: int, table: int | None = None) -> int:
        """A pointer; ``table``: what those relative to data are relative to.

        Raises:
            BadUnwindInfoError: an encoding that compilers for x86-64 do not use here.
        """
        here = self.address + self.position
        kind = encoding & 0x0F
        if kind == 0x01:
            value = self.uleb()
        elif kind == 0x09:
            value = self.sleb()
        elif kind in _FORMATS:
            value = self.fixed(_FORMATS[kind])
        else:
            raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        match encoding & 0x70:
            case 0x00:
                base = 0
            case 0x10:
                base = here
            case 0x30 if table is not None:
                base = table
            case _:
                raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        if encoding & _INDIRECT:
            raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        return (base + value) & MASK
