"""The capture of an argument, and the numbers that strace's notation stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from judge.strace_values import Value

Words = tuple[int, ...]
Element = tuple[int, int, int]
"""An element of an array: its position and two words; a missing word is 0."""

NAMED = {"RLIM64_INFINITY": 2**64 - 1, "RLIM_INFINITY": 2**64 - 1, "UTIME_NOW": 0x3FFFFFFF, "UTIME_OMIT": 0x3FFFFFFE}


@dataclass(frozen=True)
class Capture:
    """The memory that was copied for one argument; each kind of memory has fields of its own.

    ``status`` says why the capture is not whole. ``words`` are those of a struct. ``arrays`` has the kind, the
    phase and each element. ``contents`` are bytes of buffers; ``cut``: they are only the beginning.
    """

    status: str | None = None
    words: Words = ()
    family: int | None = None
    address: str | None = None
    port: int | None = None
    strings: tuple[str, ...] = ()
    arrays: tuple[tuple[str, str, Element], ...] = ()
    contents: bytes | None = None
    cut: bool = False

    def elements(self, kind: str, phase: str) -> list[Element]:
        """Returns the elements of the array of that kind and phase, in order."""
        return [element for *of, element in self.arrays if of == [kind, phase]]


def number_of(value: Value) -> int:
    """Reads a number, a product of numbers (``8192*1024``) or the name of one.

    Raises:
        ValueError: ``value`` is none of them.
    """
    product = 1
    for factor in value.text.split("*"):
        number = NAMED.get(factor, Value(factor).number)
        if number is None:
            raise ValueError(f"no number: {value.text}")
        product *= number
    return product % 2**64


def flags(names: Mapping[str, int], value: Value) -> int:
    """Reads names and numbers with ``|`` between them."""
    return sum(names[word] if word in names else number_of(Value(word)) for word in value.text.split("|"))
