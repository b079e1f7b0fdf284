"""Numbers as unwind tables encode them: of fixed size, LEB128, and pointers with an encoding byte.

Sources: DWARF 4, chapter 7.6 (LEB128); Linux Standard Base, Core, chapter 10.5 (DW_EH_PE_*).
"""

from __future__ import annotations

import struct

from bpfrec.formats.symbols.dwarf_names import EH_PE

MASK = (1 << 64) - 1

_LONGEST_LEB = 10

_FORMAT_BITS, _BASE_BITS = 0x0F, 0x70
_FORMATS = {
    EH_PE.DW_EH_PE_absptr: struct.Struct("<Q"),
    EH_PE.DW_EH_PE_udata2: struct.Struct("<H"),
    EH_PE.DW_EH_PE_udata4: struct.Struct("<I"),
    EH_PE.DW_EH_PE_udata8: struct.Struct("<Q"),
    EH_PE.DW_EH_PE_sdata2: struct.Struct("<h"),
    EH_PE.DW_EH_PE_sdata4: struct.Struct("<i"),
    EH_PE.DW_EH_PE_sdata8: struct.Struct("<q"),
}


class BadUnwindInfoError(Exception):
    """An unwind table is damaged, or of a kind that is not supported; the text says what is wrong."""


class Cursor:
    """Reads ``data`` from ``position`` on; ``address``: of its first byte, as the file numbers addresses."""

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
        """A number of fixed size."""
        return int(kind.unpack(self.take(kind.size))[0])

    def uleb(self) -> int:
        """An unsigned LEB128 number, of which the low 64 bits are kept."""
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
        """The bytes up to a NUL."""
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise BadUnwindInfoError("a string without an end")
        found = self.data[self.position : end]
        self.position = end + 1
        return found

    def pointer(self, encoding: int, table: int | None = None) -> int:
        """A pointer; ``table``: the address that a pointer relative to data (``datarel``) is relative to.

        Raises:
            BadUnwindInfoError: compilers for x86-64 do not use this encoding here.
        """
        here = self.address + self.position
        kind = encoding & _FORMAT_BITS
        if kind == EH_PE.DW_EH_PE_uleb128:
            value = self.uleb()
        elif kind == EH_PE.DW_EH_PE_sleb128:
            value = self.sleb()
        elif kind in _FORMATS:
            value = self.fixed(_FORMATS[kind])
        else:
            raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        match encoding & _BASE_BITS:
            case EH_PE.DW_EH_PE_absptr:
                base = 0
            case EH_PE.DW_EH_PE_pcrel:
                base = here
            case EH_PE.DW_EH_PE_datarel if table is not None:
                base = table
            case _:
                raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        if encoding & EH_PE.DW_EH_PE_indirect:
            raise BadUnwindInfoError(f"pointer encoding {encoding:#x}")
        return (base + value) & MASK
