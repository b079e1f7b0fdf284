"""What comes through a ring in several records, put together: a copy of a stack is longer than one may be."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

PART_BYTES = 16384
"""Bytes of stack in a part that is not the last."""

_SAMPLE = 9
_SAMPLE_HEADER = struct.Struct("<IHHI")

Whole = TypeVar("Whole")


class Part(NamedTuple, Generic[Whole]):
    """``what`` came, as if it were all; ``key``: the same in all parts of one; ``bytes``: how much stack there is."""

    what: Whole
    key: int
    number: int
    bytes: int


class PartStream(Generic[Whole]):
    """Puts parts together out of pieces of the streams of several rings.

    ``parse`` makes one of the content of a perf sample, None where it is too short; ``join`` adds a part to what came
    before it. No more than ``most`` parts are of one.
    """

    def __init__(
        self,
        parse: Callable[[int, memoryview], Part[Whole] | None],
        join: Callable[[Whole, Whole], Whole],
        most: int,
    ) -> None:
        self._parse, self._join, self._most = parse, join, most
        self._unfinished: dict[int, Part[Whole]] = {}

    def feed(self, cpu: int, data: bytes | memoryview) -> tuple[list[Whole], int]:
        """What ``data`` of the ring of ``cpu`` makes whole, and how many bytes of it need not come again."""
        whole: list[Whole] = []
        consumed = 0
        for end, content in _contents(memoryview(data)):
            consumed = end
            part = None if content is None else self._parse(cpu, content)
            if part is None:
                continue
            before = self._unfinished.pop(cpu, None)
            if part.number:
                # Without what was before it nothing is known of it.
                if before is None or before.key != part.key or before.number + 1 != part.number:
                    whole += [before.what] if before is not None else []
                    continue
                part = part._replace(what=self._join(before.what, part.what))
            elif before is not None:
                whole.append(before.what)
            if part.bytes == PART_BYTES and part.number < self._most - 1:
                self._unfinished[cpu] = part
            else:
                whole.append(part.what)
        return whole, consumed

    def rest(self) -> list[Whole]:
        """Those of which more parts could have come."""
        rest = [part.what for part in self._unfinished.values()]
        self._unfinished.clear()
        return rest


def _contents(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """The end of each perf record in ``data``, and the content of those that are samples."""
    at = 0
    while at + 8 <= len(data):
        kind, _misc, size = struct.unpack_from("<IHH", data, at)
        if size < 8 or at + size > len(data):
            return
        start, at = at + _SAMPLE_HEADER.size, at + size
        yield at, data[start:at] if kind == _SAMPLE and start <= at else None
