"""Offsets of members of kernel structs, read from the kernel's type information (BTF).

Layout: Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("<HBBIIIII")
_MEMBER = struct.Struct("<III")

_KIND_STRUCT = 4


def kernel_types() -> bytes | None:
    """The kernel's type information, to be read once for several questions; None if it is not readable."""
    try:
        return VMLINUX.read_bytes()
    except OSError:
        return None


def member_offsets(wanted: dict[str, tuple[str, ...]], blob: bytes | None = None) -> dict[tuple[str, str], int]:
    """Offsets in bytes by (struct, member); ``wanted`` maps names of structs to names of members.

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
    types, strings = _sections(blob)
    found: dict[tuple[str, str], int] = {}
    for name, members in wanted.items():
        place = strings.find(b"\0" + name.encode() + b"\0") + 1
        # The name and then a word of this kind are found only where a struct starts: other words are ids and sizes.
        for start in _places(types, place) if place else ():
            info = _word(types, start + 1)
            if info >> 24 & 0x1F == _KIND_STRUCT:
                raw = types[(start + 3) * 4 : (start + 3) * 4 + (info & 0xFFFF) * _MEMBER.size]
                found |= {(name, label): offset for label, offset in _members(raw, info, strings) if label in members}
                if all((name, label) in found for label in members):
                    break
    missing = [f"{s}.{m}" for s, members in wanted.items() for m in members if (s, m) not in found]
    if missing:
        raise BpfrecError(f"the kernel's type information does not know {', '.join(missing)}")
    return found


def offset_of_run(labels: tuple[str, ...], blob: bytes | None = None) -> int | None:
    """The offset in bytes of the first of the members ``labels``, which follow one another in exactly one struct.

    This finds members of a struct that has no name itself. None if no struct, or more than one, has such members.
    """
    try:
        blob = blob or VMLINUX.read_bytes()
        types, strings = _sections(blob)
    except (OSError, struct.error, BpfrecError):
        return None
    places = [strings.find(b"\0" + label.encode() + b"\0") + 1 for label in labels]
    if not all(places):
        return None
    # Each member is three words: its name, its type, its offset in bits.
    runs = [
        at
        for at in _places(types, places[0])
        if [_word(types, at + 3 * number) for number in range(len(places))] == places
    ]
    return (_word(types, runs[0] + 2) & 0xFFFFFF) // 8 if len(runs) == 1 else None


def has_name(name: str, blob: bytes | None = None) -> bool:
    """Whether the kernel's type information has something called ``name``, for example a helper function."""
    try:
        return b"\0" + name.encode() + b"\0" in (blob or VMLINUX.read_bytes())
    except OSError:
        return False


def _sections(blob: bytes) -> tuple[bytes, bytes]:
    """The section of types in ``blob``, in whole words, and the section of strings.

    Raises:
        BpfrecError: it is not type information.
    """
    if len(blob) < _HEADER.size:
        raise BpfrecError(f"{VMLINUX} ends too early")
    magic, _version, _flags, header, type_offset, type_size, string_offset, string_size = _HEADER.unpack_from(blob)
    if magic != 0xEB9F:
        raise BpfrecError(f"{VMLINUX} is not BTF in this machine's byte order")
    types = blob[header + type_offset : header + type_offset + type_size // 4 * 4]
    return types, blob[header + string_offset : header + string_offset + string_size]


def _places(types: bytes, word: int) -> Iterator[int]:
    """Where ``word`` stands in ``types``, in words."""
    wanted, at = struct.pack("<I", word), -1
    while (at := types.find(wanted, at + 1)) >= 0:
        if at % 4 == 0:
            yield at // 4


def _word(types: bytes, at: int) -> int:
    """The word at an index; 0 behind the end."""
    return int.from_bytes(types[at * 4 : at * 4 + 4], "little")


def _members(raw: bytes, info: int, strings: bytes) -> Iterator[tuple[str, int]]:
    """Names and offsets in bytes of the members of a struct; ``raw`` begins with its array of btf_member."""
    elements, bitfields = info & 0xFFFF, bool(info >> 31)
    whole = min(elements, len(raw) // _MEMBER.size)
    for name, _type, offset in _MEMBER.iter_unpack(raw[: whole * _MEMBER.size]):
        end = strings.find(b"\0", name)
        label = strings[name : end if end >= 0 else None].decode("utf-8", "replace")
        yield label, ((offset & 0xFFFFFF) if bitfields else offset) // 8
