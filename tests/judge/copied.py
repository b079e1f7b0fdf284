"""What was copied for an argument, and how numbers in strace's words are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from judge.strace_values import Value

Words = tuple[int, ...]
Element = tuple[int, int, int]
"""Of an array: position and the two words, 0 where there is none."""

NAMED = {"RLIM64_INFINITY": 2**64 - 1, "RLIM_INFINITY": 2**64 - 1, "UTIME_NOW": 0x3FFFFFFF, "UTIME_OMIT": 0x3FFFFFFE}


@dataclass(frozen=True)
class Data:
    """What was copied for one argument; ``status``: why it is not whole.

    Words of a struct, an address, strings, elements of arrays by kind and phase, contents of buffers, and whether those
    are the beginning alone.
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
        """Of the array of that kind and phase, in order."""
        return [element for *of, element in self.arrays if of == [kind, phase]]


def number_of(value: Value) -> int:
    """A number, also a product or a name of one.

    Raises:
        ValueError: it is none.
    """
    product = 1
    for factor in value.text.split("*"):
        number = NAMED.get(factor, Value(factor).number)
        if number is None:
            raise ValueError(f"no number: {value.text}")
        product *= number
    return product % 2**64


def flags(names: Mapping[str, int], value: Value) -> int:
    """The number of names with | between them, and of what has no name."""
    return sum(names[word] if word in names else number_of(Value(word)) for word in value.text.split("|"))
