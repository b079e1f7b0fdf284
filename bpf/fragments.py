"""Fragments: a copy of a stack is longer than a record may be, and comes through a ring in several."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar

from bpfrec.bpf.perf_records import SAMPLE, perf_records

FRAGMENT_BYTES = 16384
"""Bytes of stack in a fragment that is not the last one."""

# A raw sample begins with its length.
_LENGTH = struct.Struct("<I")

Whole = TypeVar("Whole")


class Fragment(NamedTuple, Generic[Whole]):
    """One fragment: ``what`` it would be if it were all there is, and how it fits to others.

    ``key`` is the same in all fragments of one thing; ``number`` counts them from 0; ``bytes`` of stack are in it.
    """

    what: Whole
    key: int
    number: int
    bytes: int


class FragmentStream(Generic[Whole]):
    """Joins the fragments in the streams of several rings, which are fed chunk by chunk.

    ``parse`` makes a fragment of a CPU and the content of a sample, or None where that is too short. ``join`` adds a
    fragment to what came before it. One thing has at most ``most`` fragments.
    """

    def __init__(
        self,
        parse: Callable[[int, memoryview], Fragment[Whole] | None],
        join: Callable[[Whole, Whole], Whole],
        most: int,
    ) -> None:
        self._parse, self._join, self._most = parse, join, most
        self._unfinished: dict[int, Fragment[Whole]] = {}

    def feed(self, cpu: int, data: bytes | memoryview) -> tuple[list[Whole], int]:
        """What ``data`` from the ring of ``cpu`` completes, and how many of its bytes need not be fed again."""
        whole: list[Whole] = []
        consumed = 0
        for end, content in _contents(memoryview(data)):
            consumed = end
            fragment = None if content is None else self._parse(cpu, content)
            if fragment is None:
                continue
            before = self._unfinished.pop(cpu, None)
            if fragment.number:
                if before is None or before.key != fragment.key or before.number + 1 != fragment.number:
                    # The fragment before this one was lost, and this one alone says nothing.
                    whole += [before.what] if before is not None else []
                    continue
                fragment = fragment._replace(what=self._join(before.what, fragment.what))
            elif before is not None:
                whole.append(before.what)
            if fragment.bytes == FRAGMENT_BYTES and fragment.number < self._most - 1:
                self._unfinished[cpu] = fragment
            else:
                whole.append(fragment.what)
        return whole, consumed

    def rest(self) -> list[Whole]:
        """What is still waiting for more fragments, as far as it has come."""
        rest = [fragment.what for fragment in self._unfinished.values()]
        self._unfinished.clear()
        return rest


def _contents(data: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """The end of each perf record in ``data``, and the content of those that are samples."""
    for kind, _misc, start, end in perf_records(data):
        content = start + _LENGTH.size
        yield end, data[content:end] if kind == SAMPLE and content <= end else None
