"""Functions that a compiled script calls as ``F``: their results follow from their arguments alone."""

from __future__ import annotations

from typing import Any, NoReturn

from bpfrec.analyze.bpftrace.callstacks import NONE
from bpfrec.analyze.bpftrace.histograms import fine_bucket, linear_bucket
from bpfrec.analyze.bpftrace.kinds import Array, Bool, Int
from bpfrec.analyze.bpftrace.memory import to_bytes, to_text
from bpfrec.analyze.bpftrace.texts import macaddr, ntop, ntop_bytes, pton, signal_name, syscall_name
from bpfrec.formats.errors import ReportError

__all__ = [
    "fine_bucket",
    "linear_bucket",
    "macaddr",
    "ntop",
    "ntop_bytes",
    "pton",
    "signal_name",
    "syscall_name",
]


def swapped(value: int, size: int) -> int:
    """The bytes of a number in reverse."""
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def number_text(value: int | str) -> str:
    """str($1): the parameter as text; '' for one that was not given."""
    return value if isinstance(value, str) else str(value) if value else ""


def tail(text: str, start: int) -> str:
    """A string from a byte on."""
    return to_text(to_bytes(text)[max(0, start) :])


def character(text: str, index: int) -> int:
    """A byte of a string; 0 behind its end."""
    data = to_bytes(text)
    value = data[index] if 0 <= index < len(data) else 0
    return value - 256 if value > 127 else value


def strncmp(a: str, b: str, count: int) -> int:
    """0 where the first bytes are the same, else 1."""
    return int(to_bytes(a)[:count] != to_bytes(b)[:count])


def find(text: str, part: str) -> int:
    """Where a string begins in another, in bytes; -1: nowhere."""
    return to_bytes(text).find(to_bytes(part))


def length(text: str) -> int:
    """Bytes of a string."""
    return len(to_bytes(text))


def split(value: int, kind: Array) -> tuple[int, ...]:
    """A number as an array of smaller ones."""
    data = value.to_bytes(8, "little")
    if isinstance(kind.item, Bool):
        return tuple(byte != 0 for byte in data[: kind.length])
    assert isinstance(kind.item, Int)
    size = kind.item.bits // 8
    return tuple(
        int.from_bytes(data[i * size : (i + 1) * size], "little", signed=kind.item.signed) for i in range(kind.length)
    )


def characters(text: str, kind: Array) -> tuple[int, ...]:
    """A string as an array of its bytes."""
    assert isinstance(kind.item, Int)
    data = to_bytes(text)[: kind.length].ljust(kind.length, b"\0")
    return tuple(byte - 256 if kind.item.signed and byte > 127 else byte for byte in data)


def item(array: Any, index: int) -> int:
    """An item of an array; 0 outside."""
    return array[index] if 0 <= index < len(array) else 0


def text_buffer(text: str, length: int | None) -> bytes:
    """buf() of a string."""
    data = to_bytes(text)
    return data if length is None else data[: max(0, length)].ljust(max(0, length), b"\0")


def array_buffer(values: Any, length: int | None, kind: Array) -> bytes:
    """buf() of an array."""
    assert isinstance(kind.item, Int)
    size = kind.item.bits // 8
    data = b"".join((v & ((1 << kind.item.bits) - 1)).to_bytes(size, "little") for v in values)
    return data if length is None else data[: max(0, length)]


def no_cpu() -> NoReturn:
    """cpu, where a new thread returns from the call that made it."""
    raise ReportError(
        "the script asks for the CPU on which a new thread began, which the trace does not hold",
        "Leave out clone, clone3, fork and vfork.",
    )


def sampled_stack(number: int | None) -> int:
    """The number of the stack of a sample."""
    return NONE if number is None else number
