"""Thrift's compact protocol, read into plain values and written back byte for byte: Parquet's footers are made of it.

Specification: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

_STOP = 0
_MOST_DEPTH = 64
_LONG_DELTA = 15


@dataclass
class Struct:
    """A struct: its fields by id, each as (type, value), in the order in which they were written."""

    fields: dict[int, tuple[int, Any]] = field(default_factory=dict)

    def get(self, number: int, default: Any = None) -> Any:
        """The value of the field ``number``; ``default`` where there is none."""
        return self.fields[number][1] if number in self.fields else default

    def set(self, number: int, value: Any) -> None:
        """Replaces the value of the field ``number``, which is there."""
        self.fields[number] = (self.fields[number][0], value)


@dataclass
class Sequence:
    """A list or set: the type of its elements, and these."""

    element: int
    values: list[Any]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def value(self, kind: int, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise ValueError("a thrift value that is nested too deeply")
        made: Any
        if kind in (TRUE, FALSE):
            made = kind == TRUE
        elif kind == BYTE:
            made = self._take(1)[0]
        elif kind in (I16, I32, I64):
            raw = self.varint()
            made = (raw >> 1) ^ -(raw & 1)
        elif kind == DOUBLE:
            made = self._take(8)
        elif kind == BINARY:
            made = self._take(self.varint())
        elif kind in (LIST, SET):
            made = self._sequence(depth)
        elif kind == STRUCT:
            made = self.struct(depth)
        else:
            raise ValueError(f"a thrift value of type {kind}")
        return made

    def struct(self, depth: int = 0) -> Struct:
        made, number = Struct(), 0
        while (head := self._take(1)[0]) != _STOP:
            kind, delta = head & 15, head >> 4
            if delta:
                number += delta
            else:
                raw = self.varint()
                number = (raw >> 1) ^ -(raw & 1)
            made.fields[number] = (kind, self.value(kind, depth + 1))
        return made

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a thrift number that is too long")

    def _sequence(self, depth: int) -> Sequence:
        head = self._take(1)[0]
        size, kind = head >> 4, head & 15
        if size == _LONG_DELTA:
            size = self.varint()
        if size > len(self._data):
            raise ValueError("a thrift list that is longer than the data")
        if kind in (TRUE, FALSE):
            # In a list, each has a byte of its own.
            return Sequence(kind, [self._take(1)[0] == TRUE for _ in range(size)])
        return Sequence(kind, [self.value(kind, depth + 1) for _ in range(size)])

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if len(part) < size:
            raise ValueError("thrift data that is cut off")
        self._at += size
        return part


def read_struct(data: bytes) -> Struct:
    """The struct at the start of ``data``.

    Raises:
        ValueError: it is damaged.
    """
    return _Reader(data).struct()


def read_struct_and_size(data: bytes) -> tuple[Struct, int]:
    """The struct at the start of ``data``, and how many bytes it takes. Raises ValueError as :func:`read_struct`."""
    reader = _Reader(data)
    return reader.struct(), reader._at


def write_struct(struct: Struct) -> bytes:
    """The bytes of ``struct``."""
    out = bytearray()
    _write(out, STRUCT, struct)
    return bytes(out)


def _write(out: bytearray, kind: int, value: Any) -> None:
    if kind == BYTE:
        out.append(value)
    elif kind in (I16, I32, I64):
        _varint(out, (value << 1) ^ (value >> 63))
    elif kind == DOUBLE:
        out += value
    elif kind == BINARY:
        _varint(out, len(value))
        out += value
    elif kind in (LIST, SET):
        _write_sequence(out, value)
    elif kind == STRUCT:
        _write_fields(out, value)


def _write_fields(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in struct.fields.items():
        kept = (TRUE if value else FALSE) if kind in (TRUE, FALSE) else kind
        delta = number - before
        if 0 < delta <= _LONG_DELTA:
            out.append(delta << 4 | kept)
        else:
            out.append(kept)
            _varint(out, (number << 1) ^ (number >> 63))
        _write(out, kept, value)
        before = number
    out.append(_STOP)


def _write_sequence(out: bytearray, sequence: Sequence) -> None:
    size = len(sequence.values)
    out.append(min(size, _LONG_DELTA) << 4 | sequence.element)
    if size >= _LONG_DELTA:
        _varint(out, size)
    for value in sequence.values:
        if sequence.element in (TRUE, FALSE):
            out.append(TRUE if value else FALSE)
        else:
            _write(out, sequence.element, value)


def _varint(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
