"""Call instructions of x86-64: a return address is the end of one."""

from __future__ import annotations

LONGEST_CALL = 7
"""Bytes of a call instruction without its prefixes."""

# The second byte of an indirect call (ModRM), by how many bytes the instruction has: Intel SDM, volume 2, table 2-2.
_CALL = 0xE8
_INDIRECT = 0xFF
_MODRM = {
    2: frozenset({*range(0xD0, 0xD8), 0x10, 0x11, 0x12, 0x13, 0x16, 0x17}),
    3: frozenset({*range(0x50, 0x58)} - {0x54} | {0x14}),
    4: frozenset({0x54}),
    6: frozenset({*range(0x90, 0x98)} - {0x94} | {0x15}),
    7: frozenset({0x94, 0x14}),
}


def ends_call(code: bytes) -> bool:
    """Whether ``code``, the last bytes before an address, may end with a call instruction."""
    if code[-5:-4] == bytes([_CALL]):
        return True
    return any(len(code) >= n and code[-n] == _INDIRECT and code[1 - n] in modrm for n, modrm in _MODRM.items())
