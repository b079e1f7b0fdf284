"""Pairs the recorded calls of a thread with those that strace shows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")


def pairs(
    left: Sequence[Left],
    right: Sequence[Right],
    left_key: Callable[[Left], Hashable],
    right_key: Callable[[Right], Hashable],
) -> Iterator[tuple[Left | None, Right | None]]:
    """Yields the calls of both sides in pairs, in order; None where one side lacks the call."""
    a, b = [left_key(call) for call in left], [right_key(call) for call in right]
    first = 0
    while first < min(len(a), len(b)) and a[first] == b[first]:
        first += 1
    last = 0
    while last < min(len(a), len(b)) - first and a[-1 - last] == b[-1 - last]:
        last += 1
    yield from zip(left[:first], right[:first], strict=True)
    middle_left, middle_right = left[first : len(a) - last], right[first : len(b) - last]
    matcher = SequenceMatcher(None, a[first : len(a) - last], b[first : len(b) - last], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(middle_left[i:j], middle_right[k:m], strict=True)
        else:
            yield from ((call, None) for call in middle_left[i:j])
            yield from ((None, call) for call in middle_right[k:m])
    yield from zip(left[len(a) - last :], right[len(b) - last :], strict=True)
