"""Offsets of members of kernel structs, read from the kernel's type information (BTF).

Layout: Documentation/bpf/btf.rst and include/uapi/linux/btf.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_HEADER = struct.Struct("<HBBIIIII")
_MEMBER = struct.Struct("<III")

_KIND_POINTER, _KIND_STRUCT, _KIND_TYPEDEF, _KIND_PROTOTYPE = 2, 4, 8, 13
# Words behind the three that each type begins with: so many, and so many for each of its elements.
_BEHIND = {
    1: (1, 0),
    3: (3, 0),
    4: (0, 3),
    5: (0, 3),
    6: (0, 2),
    13: (0, 2),
    14: (1, 0),
    15: (0, 3),
    17: (1, 0),
    19: (0, 3),
}
_MOST_STEPS = 512


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


def nested_offsets(name: str, wanted: Iterable[str], blob: bytes | None = None) -> dict[str, int]:
    """Offsets in bytes of members of the struct ``name``, and of structs without a name in it.

    Raises:
        BpfrecError: the kernel has no type information, or they are not found in it.
    """
    refused = BpfrecError(f"the kernel's type information does not say where {name} has its members")
    try:
        types, strings = _sections(blob or VMLINUX.read_bytes())
    except OSError:
        raise refused from None
    place = strings.find(b"\0" + name.encode() + b"\0") + 1
    parents = [at for at in _places(types, place) if _kind(types, at) == _KIND_STRUCT] if place else []
    if len(parents) != 1:
        raise refused
    # Types are numbered, and a struct's inner ones follow it closely: which number each of them has is found by trying.
    near = [parents[0]]
    while len(near) < _MOST_STEPS and near[-1] * 4 < len(types):
        near.append(_behind(types, near[-1]))
    elements = list(_elements(types, parents[0]))
    inner = [(number, offset) for label, number, offset in elements if not label]
    bases = [base for base in range(1, len(near)) if inner and _all_inner(types, near, inner, inner[0][0] - base)]
    found = {_name(strings, label): offset for label, _, offset in elements if label}
    if len(bases) == 1:
        for number, offset in inner:
            for label, _, more in _elements(types, near[number - inner[0][0] + bases[0]]):
                found.setdefault(_name(strings, label), offset + more)
    if not all(label in found for label in wanted):
        raise refused
    return {label: found[label] for label in wanted}


def arguments_of(name: str, blob: bytes | None = None) -> int | None:
    """How many arguments the tracepoint of the type ``name`` (``btf_trace_...``) has, without the first, its data.

    None if the kernel has no such type, or shares its prototype with others.
    """
    try:
        types, strings = _sections(blob or VMLINUX.read_bytes())
    except (OSError, BpfrecError):
        return None
    place = strings.find(b"\0" + name.encode() + b"\0") + 1
    for at in _places(types, place) if place else ():
        pointer, prototype = at + 3, at + 6
        kinds = tuple(_kind(types, one) for one in (at, pointer, prototype))
        follows = _word(types, pointer + 2) == _word(types, at + 2) + 1
        if kinds == (_KIND_TYPEDEF, _KIND_POINTER, _KIND_PROTOTYPE) and follows:
            return (_word(types, prototype + 1) & 0xFFFF) - 1
    return None


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


def _kind(types: bytes, at: int) -> int:
    return _word(types, at + 1) >> 24 & 0x1F


def _behind(types: bytes, at: int) -> int:
    """Where the type behind that at ``at`` begins."""
    plain, each = _BEHIND.get(_kind(types, at), (0, 0))
    return at + 3 + plain + each * (_word(types, at + 1) & 0xFFFF)


def _elements(types: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Name (its place in the strings), number of the type, and offset in bytes of the members of a struct."""
    info = _word(types, at + 1)
    for member in range(at + 3, at + 3 + 3 * (info & 0xFFFF), 3):
        offset = _word(types, member + 2)
        yield _word(types, member), _word(types, member + 1), ((offset & 0xFFFFFF) if info >> 31 else offset) // 8


def _all_inner(types: bytes, near: list[int], inner: list[tuple[int, int]], first: int) -> bool:
    """Whether all of ``inner`` are structs without a name that fit, where ``near`` begins with the type ``first``."""
    for (number, offset), (_, following) in zip(inner, [*inner[1:], (0, 1 << 32)], strict=True):
        if not 0 < number - first < len(near):
            return False
        at = near[number - first]
        if _word(types, at) or _kind(types, at) not in (4, 5) or _word(types, at + 2) > following - offset:
            return False
    return True


def _name(strings: bytes, at: int) -> str:
    return strings[at : strings.find(b"\0", at)].decode("utf-8", "replace")


def _members(raw: bytes, info: int, strings: bytes) -> Iterator[tuple[str, int]]:
    """Names and offsets in bytes of the members of a struct; ``raw`` begins with its array of btf_member."""
    elements, bitfields = info & 0xFFFF, bool(info >> 31)
    whole = min(elements, len(raw) // _MEMBER.size)
    for name, _type, offset in _MEMBER.iter_unpack(raw[: whole * _MEMBER.size]):
        end = strings.find(b"\0", name)
        label = strings[name : end if end >= 0 else None].decode("utf-8", "replace")
        yield label, ((offset & 0xFFFFFF) if bitfields else offset) // 8
