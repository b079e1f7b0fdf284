"""Writes protocol buffers: https://protobuf.dev/programming-guides/encoding/."""

from __future__ import annotations

from collections.abc import Iterable

_VARINT, _FIXED_64, _BYTES = 0, 1, 2
_SEVEN_BITS = 0x7F
_MORE = 0x80
_MASK_64 = (1 << 64) - 1


def varint(number: int) -> bytes:
    """Returns an integer of up to 64 bits, a negative one as its two's complement."""
    number &= _MASK_64
    if number <= _SEVEN_BITS:
        return bytes((number,))
    out = bytearray()
    while number > _SEVEN_BITS:
        out.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, number: int) -> bytes:
    """Returns a field of type int32, int64, uint32, uint64, bool or enum."""
    return varint(field << 3 | _VARINT) + varint(number)


def fixed64(field: int, number: int) -> bytes:
    """Returns a field of type fixed64."""
    return varint(field << 3 | _FIXED_64) + number.to_bytes(8, "little")


def nested(field: int, *parts: bytes) -> bytes:
    """Returns a field that is a message, or bytes."""
    inner = b"".join(parts)
    return varint(field << 3 | _BYTES) + varint(len(inner)) + inner


def text(field: int, value: str) -> bytes:
    """Returns a field of type string."""
    return nested(field, value.encode("utf-8", "replace"))


def packed(field: int, numbers: Iterable[int]) -> bytes:
    """Returns a repeated field of integers, packed."""
    return nested(field, *map(varint, numbers))
