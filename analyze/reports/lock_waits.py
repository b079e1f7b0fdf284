"""Waits for locks: who waited, for what, and for whom; chains of them, and deadlocks."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FILES = ("flock", "fcntl")
"""The kinds of waits for a lock of a file."""


@dataclass(frozen=True)
class Thread:
    """A thread; ``name``: its comm, None where it is not known."""

    tid: int
    pid: int
    name: str | None

    def __str__(self) -> str:
        of = f" of {self.pid}" if self.pid != self.tid else ""
        return f"{self.name or '?'} ({self.tid}{of})"


@dataclass
class Wait:
    """A wait of ``waiter``, from ``begin_ns`` to ``end_ns``, on CLOCK_MONOTONIC.

    ``kind``: flock, fcntl, futex or thread. ``is_still``: it was going on when the recording stopped. ``gave_up``: it
    ended without the lock. ``holder``: who ended it, or has the lock; None: not known. ``needs_thread``: only a thread
    of the same process can end it, and no timeout will.
    """

    waiter: Thread
    kind: str
    object: str
    begin_ns: int
    end_ns: int
    is_still: bool = False
    gave_up: bool = False
    holder: Thread | None = None
    needs_thread: bool = False
    held_by_waiter: bool = False

    @property
    def what(self) -> str:
        """What was waited for, in words."""
        return f"{self.kind} {self.object}" if self.kind in FILES else self.object

    @property
    def length_ns(self) -> int:
        """How long it took, ns."""
        return self.end_ns - self.begin_ns


class WaitGraph:
    """Finds for each wait the wait that its holder was in meanwhile."""

    def __init__(self, waits: Iterable[Wait]) -> None:
        self._waits = list(waits)
        self._of: dict[int, list[Wait]] = defaultdict(list)
        for wait in sorted(self._waits, key=lambda wait: wait.begin_ns):
            self._of[wait.waiter.tid].append(wait)
        self._begins = {tid: [wait.begin_ns for wait in waits] for tid, waits in self._of.items()}
        for wait in self._waits:
            wait.held_by_waiter = self.behind(wait) is not None

    def behind(self, wait: Wait) -> Wait | None:
        """The wait in which the holder was for at least half of ``wait``; None: none such."""
        if wait.holder is None or wait.holder.tid == wait.waiter.tid:
            return None
        best, most = None, wait.length_ns / 2
        for other in self._overlapping(wait.holder.tid, wait.begin_ns, wait.end_ns):
            common = min(wait.end_ns, other.end_ns) - max(wait.begin_ns, other.begin_ns)
            if common >= most and other.is_still >= wait.is_still:
                best, most = other, common
        return best

    def chain(self, wait: Wait) -> tuple[list[Wait], bool]:
        """``wait``, the wait behind it, and so on; whether the last one waits for the first of a circle."""
        found, seen = [wait], {wait.waiter.tid}
        while (further := self.behind(found[-1])) is not None:
            if further.waiter.tid in seen:
                places = [link.waiter.tid for link in found]
                return found[places.index(further.waiter.tid) :], True
            found.append(further)
            seen.add(further.waiter.tid)
        return found, False

    def circles(self) -> Iterator[list[Wait]]:
        """The deadlocks: threads that still wait for each other, each circle once."""
        seen: set[frozenset[int]] = set()
        for wait in self._waits:
            if wait.is_still:
                links, is_circle = self.chain(wait)
                threads = frozenset(link.waiter.tid for link in links)
                if is_circle and threads not in seen:
                    seen.add(threads)
                    yield links

    def chains(self) -> Iterator[list[Wait]]:
        """Chains of at least two waits, those first whose first wait was the longest; of the same threads one.

        Those much shorter than the first are left out."""
        seen: set[tuple[int, ...]] = set()
        least_ns = 0.0
        for wait in sorted(self._waits, key=lambda wait: -wait.length_ns):
            if wait.length_ns < least_ns:
                return
            links, is_circle = self.chain(wait)
            threads = tuple(link.waiter.tid for link in links)
            if len(links) > 1 and not is_circle and threads not in seen:
                least_ns = least_ns or wait.length_ns / 10
                # What hangs on a chain that was told is told with it.
                seen.update(threads[place:] for place in range(len(threads)))
                yield links

    def _overlapping(self, tid: int, begin_ns: int, end_ns: int) -> Iterator[Wait]:
        """Waits of a thread, which follow each other, between two times."""
        waits = self._of.get(tid, [])
        place = max(bisect_right(self._begins.get(tid, []), begin_ns) - 1, 0)
        for wait in waits[place:]:
            if wait.begin_ns >= end_ns:
                return
            yield wait


def nobody_left(waits: Iterable[Wait], alive: dict[int, set[int]]) -> Iterator[list[Wait]]:
    """The processes of which all threads still wait for each other; ``alive``: the threads of each at the end."""
    still: dict[int, dict[int, Wait]] = defaultdict(dict)
    for wait in waits:
        if wait.is_still and wait.needs_thread:
            still[wait.waiter.pid][wait.waiter.tid] = wait
    for pid, waiting in sorted(still.items()):
        if alive.get(pid) and alive[pid] <= set(waiting):
            yield list(waiting.values())
