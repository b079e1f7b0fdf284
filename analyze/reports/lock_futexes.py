"""Waits for futexes, and which call ended each: the kernel's queues, gone through call by call."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bpfrec.analyze.reports.lock_waits import Thread, Wait

WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, UNLOCK_PI, CMP_REQUEUE_PI = 1, 3, 4, 5, 7, 12
WAITING = (0, 6, 9, 11, 13)
"""FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2: include/uapi/linux/futex.h, as the others."""

WAKING = (WAKE, 10, REQUEUE, CMP_REQUEUE, WAKE_OP, UNLOCK_PI, CMP_REQUEUE_PI)
REQUEUEING = (REQUEUE, CMP_REQUEUE, CMP_REQUEUE_PI)
_WAIT_REQUEUE_PI = 11
_WAIT, _BITSET = 0, 9
_TID_MASK = 0x3FFFFFFF

Key = tuple[str | int, int]
"""Where a futex is: its process and address, or what is mapped there and the offset in it."""


class SharedMemory:
    """What processes have mapped to share it. ``rows``: of ``locks_mappings.sql``; ``parents``: of each process."""

    def __init__(self, rows: Iterable[Mapping[str, Any]], parents: Mapping[int, int]) -> None:
        self._parents = parents
        self._mapped: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            self._mapped[row["pid"]].append(row)

    def key(self, pid: int, address: int, at_ns: int) -> Key:
        """Where the futex at ``address`` of a process is."""
        holder, seen = pid, set[int]()
        while holder not in seen:
            seen.add(holder)
            rows = self._mapped.get(holder, [])
            for row in reversed(rows[: bisect_right(rows, at_ns, key=lambda row: row["at"])]):
                start = row["address"] % 2**64
                if row["name"] is not None and start <= address < start + row["length"]:
                    return row["name"], address - start + row["offset"]
            holder = self._parents.get(holder, holder)
        return pid, address


_Entry = tuple[Mapping[str, Any], Wait]
"""A call that waits, and its wait."""


@dataclass
class _Queue:
    """Those who wait at one futex, the first first."""

    waiting: list[_Entry] = field(default_factory=list)


def futex_waits(
    rows: Iterable[Mapping[str, Any]], memory: SharedMemory, threads: Mapping[int, Thread], stop_ns: int
) -> list[Wait]:
    """The long ones of the waits in ``rows``, which are those of ``locks_futexes.sql``.

    ``threads``: those known, by tid. The kernel wakes those first who came first, as long as their priorities are the
    same; whoever did not return with success was not woken.
    """
    queues: dict[Key, _Queue] = defaultdict(_Queue)
    found: list[Wait] = []
    for row in rows:
        key = _key(row, row["address"], memory)
        if row["op"] in WAITING:
            wait = _wait(row, key, threads, stop_ns)
            if row["is_long"]:
                found.append(wait)
            if not wait.gave_up:
                queues[key].waiting.append((row, wait))
        else:
            _wake(row, key, queues, memory)
    return found


def _key(row: Mapping[str, Any], address: int, memory: SharedMemory) -> Key:
    return (row["pid"], address) if row["is_private"] else memory.key(row["pid"], address, row["ts_ns"])


def _wait(row: Mapping[str, Any], key: Key, threads: Mapping[int, Thread], stop_ns: int) -> Wait:
    is_still = row["ret"] is None
    waiter = Thread(row["tid"], row["pid"], row["comm"])
    place, offset = key
    name = f"futex {offset:#x} of process {place}" if isinstance(place, int) else f"futex {place}+{offset:#x}"
    wait = Wait(
        waiter, "futex", name, row["ts_ns"], stop_ns if is_still else row["end_ns"], is_still, bool(row["errno"])
    )
    has_timeout = bool(row["timeout"]) and row["op"] != _WAIT_REQUEUE_PI
    # pthread_join waits until the kernel clears the thread's id; a robust mutex has its owner's in the futex.
    other = threads.get((row["value"] or 0) & _TID_MASK) if row["op"] in (_WAIT, _BITSET) else None
    if other is not None and other.pid == waiter.pid and other.tid != waiter.tid:
        wait.holder = other
        if not row["is_private"] and row["value"] == other.tid:
            wait.kind, wait.object = "thread", f"end of {other}"
    wait.needs_thread = is_still and not has_timeout and (row["is_private"] or wait.kind == "thread")
    return wait


def _wake(row: Mapping[str, Any], key: Key, queues: dict[Key, _Queue], memory: SharedMemory) -> None:
    op, count = row["op"], row["ret"]
    waker = Thread(row["tid"], row["pid"], row["comm"])
    if op == UNLOCK_PI:
        _release(queues[key], 1, row, waker)
    elif op == WAKE_OP:
        left = count - _release(queues[key], min(count, row["value"]), row, waker)
        _release(queues[_key(row, row["address2"], memory)], left, row, waker)
    elif op in REQUEUEING:
        # What is woken comes first; the rest of the result are those that were moved.
        woken = _release(queues[key], min(count, row["value"]), row, waker)
        if op != REQUEUE:
            moved, rest = _split(queues[key], count - woken, row)
            queues[key].waiting = rest
            queues[_key(row, row["address2"], memory)].waiting += moved
    else:
        _release(queues[key], count, row, waker)


def _release(queue: _Queue, count: int, row: Mapping[str, Any], waker: Thread) -> int:
    """Ends the waits of the first ``count`` that can have been woken then; how many these are."""
    woken, queue.waiting = _split(queue, count, row)
    for _, wait in woken:
        if not wait.is_still and wait.waiter.tid != waker.tid:
            wait.holder = waker
    return len(woken)


def _split(queue: _Queue, count: int, row: Mapping[str, Any]) -> tuple[list[_Entry], list[_Entry]]:
    taken: list[_Entry] = []
    rest: list[_Entry] = []
    for entry in queue.waiting:
        waiting, wait = entry
        if waiting["end_ns"] is not None and waiting["end_ns"] < row["ts_ns"]:
            continue  # woken by a call that is not known
        # Who still waits was not woken, but may have been moved.
        may = waiting["ts_ns"] <= row["end_ns"] and (not wait.is_still or row["op"] in REQUEUEING)
        if len(taken) < count and may:
            taken.append(entry)
        else:
            rest.append(entry)
    return taken, rest
