"""Offsets of members of kernel structs, from the kernel's own type information.

Layout: Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
"""

from __future__ import annotations

import struct
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")

_KIND_STRUCT = 4
# Bytes that follow struct btf_type, per kind: fixed, and per element of vlen.
_FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
_PER_ELEMENT = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


def member_offsets(wanted: dict[str, tuple[str, ...]], blob: bytes | None = None) -> dict[tuple[str, str], int]:
    """Offsets in bytes of members: ``wanted`` maps struct names to member names; keys of the result are pairs.

    Reads :data:`VMLINUX` unless ``blob`` is given.

    Raises:
        BpfrecError: the kernel has no type information, or the members are not in it.
    """
    if blob is None:
        try:
            blob = VMLINUX.read_bytes()
        except OSError as error:
            raise BpfrecError(
                "following children needs the kernel's type information, and "
                f"{VMLINUX} is not readable: {error.strerror}",
                "Use a kernel built with CONFIG_DEBUG_INFO_BTF=y, or record a running process with -p PID.",
            ) from None
    magic, _version, _flags, header, type_offset, type_size, string_offset, string_size = _HEADER.unpack_from(blob)
    if magic != 0xEB9F:
        raise BpfrecError(f"{VMLINUX} is not BTF in this machine's byte order")
    strings = blob[header + string_offset : header + string_offset + string_size]
    types = memoryview(blob)[header + type_offset : header + type_offset + type_size]
    found: dict[tuple[str, str], int] = {}
    position = 0
    names = {strings.find(b"\0" + name.encode() + b"\0") + 1: name for name in wanted}
    while position < len(types):
        name, info, _size = _TYPE.unpack_from(types, position)
        kind, elements, bitfields = info >> 24 & 0x1F, info & 0xFFFF, bool(info >> 31)
        position += _TYPE.size
        if kind == _KIND_STRUCT and name and name in names:
            for index in range(elements):
                member, _type, offset = _MEMBER.unpack_from(types, position + index * _MEMBER.size)
                label = strings[member : strings.index(b"\0", member)].decode()
                if label in wanted[names[name]]:
                    found[names[name], label] = ((offset & 0xFFFFFF) if bitfields else offset) // 8
        position += _FIXED.get(kind, 0) + elements * _PER_ELEMENT.get(kind, 0)
    missing = [f"{s}.{m}" for s, members in wanted.items() for m in members if (s, m) not in found]
    if missing:
        raise BpfrecError(f"the kernel's type information does not know {', '.join(missing)}")
    return found
