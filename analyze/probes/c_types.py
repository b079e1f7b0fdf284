"""C types as probes use them: integers by width and sign, pointers by what they point at. LP64, as in the kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfrec.formats.errors import ReportError


@dataclass(frozen=True)
class CType:
    """An integer type of ``bits`` width, or a pointer (64 bits, unsigned) when ``pointee`` names what it points at.

    That of one bit is ``bool``.
    """

    bits: int
    signed: bool
    pointee: str | None = None

    @property
    def is_string(self) -> bool:
        """Whether this is ``char *``, whatever its qualifiers."""
        return self.pointee == "char"

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest value."""
        return (1 << (self.bits - self.signed)) - 1

    def holds(self, other: CType) -> bool:
        """Whether every value of ``other`` is one of this type."""
        return self.low <= other.low and other.high <= self.high

    def wrap(self, number: int) -> int:
        """``number`` converted to this type as C does: its low bits; for ``bool``, whether it is not 0."""
        if self.bits == 1:
            return int(number != 0)
        number &= (1 << self.bits) - 1
        return number - (1 << self.bits) if number > self.high else number


BOOL = CType(1, False)
INT = CType(32, True)
UINT = CType(32, False)
LONG = CType(64, True)
ULONG = CType(64, False)
STRING = CType(64, False, "char")

_NAMED = {
    BOOL: "bool _Bool",
    CType(8, False): "u8 __u8 uint8_t",
    CType(8, True): "s8 __s8 int8_t",
    CType(16, False): "u16 __u16 uint16_t umode_t sa_family_t",
    CType(16, True): "s16 __s16 int16_t",
    UINT: "u32 __u32 uint32_t uid_t gid_t mode_t dev_t socklen_t qid_t uint nfds32_t gfp_t",
    INT: "s32 __s32 int32_t pid_t clockid_t key_t timer_t rwf_t",
    ULONG: "u64 __u64 uint64_t size_t ino_t uintptr_t ulong nfds_t rlim_t",
    LONG: "s64 __s64 int64_t ssize_t off_t off64_t loff_t time_t suseconds_t intptr_t ptrdiff_t ktime_t blkcnt_t",
}
TYPE_NAMES: dict[str, CType] = {name: ctype for ctype, names in _NAMED.items() for name in names.split()}
"""Names of integer types that are one word and no keyword of C."""

KEYWORDS = frozenset({"unsigned", "signed", "char", "short", "int", "long"})
QUALIFIERS = frozenset({"const", "volatile", "__user", "__kernel", "restrict"})


def named_type(words: tuple[str, ...], stars: int) -> CType | None:
    """The type that ``words`` (``unsigned long``, ``struct timespec``, ``u64``) and ``stars`` pointers name.

    None for an integer type that is not known.
    """
    words = tuple(word for word in words if word not in QUALIFIERS)
    if stars:
        return CType(64, False, " ".join(words) + "*" * (stars - 1))
    if len(words) == 1 and words[0] in TYPE_NAMES:
        return TYPE_NAMES[words[0]]
    if not words or not set(words) <= KEYWORDS:
        return None
    bits = next((bits for word, bits in (("char", 8), ("short", 16), ("long", 64)) if word in words), 32)
    return CType(bits, "unsigned" not in words)


def parse_type(text: str) -> CType:
    """The type that ``text`` names.

    Raises:
        ReportError: not a type, or one that is not known here.
    """
    match = re.fullmatch(r"\s*([A-Za-z_]\w*(?:\s+[A-Za-z_]\w*)*)\s*((?:\*\s*)*)", text)
    found = named_type(tuple(match[1].split()), match[2].count("*")) if match else None
    if found is None:
        raise ReportError(
            f"unknown type: {text.strip() or '(none)'}",
            "Known are char*, the integer types of C, u8 to u64, s8 to s64, uint32_t and the like, size_t, pid_t ...",
        )
    return found


def common_type(left: CType, right: CType) -> CType:
    """The type in which C computes with ``left`` and ``right`` (usual arithmetic conversions)."""
    left, right = promoted(left), promoted(right)
    if left == right or left.bits > right.bits:
        return left
    if right.bits > left.bits:
        return right
    return CType(left.bits, False)


def promoted(ctype: CType) -> CType:
    """``ctype`` after integer promotion; a pointer counts as unsigned long."""
    if ctype.pointee is not None:
        return ULONG
    return INT if ctype.bits < 32 else ctype
