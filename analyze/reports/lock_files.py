"""Waits for locks of files, and who had the lock: its holders, followed call by call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bpfrec.analyze.reports.lock_waits import Thread, Wait

_SHARED, _EXCLUSIVE, _NONE = range(3)
"""F_RDLCK, F_WRLCK, F_UNLCK: include/uapi/asm-generic/fcntl.h; flock's are numbered like these."""

_END = 1 << 63


@dataclass(frozen=True)
class _Lock:
    """A lock of a file: bytes from ``first`` up to ``end``. ``owner``: a process, or a descriptor of one."""

    owner: tuple[int, int | None]
    kind: int
    first: int
    end: int
    thread: Thread

    def conflicts(self, other: _Lock) -> bool:
        """Whether both cannot be had at once."""
        meets = self.first < other.end and other.first < self.end
        return meets and self.owner != other.owner and _EXCLUSIVE in (self.kind, other.kind)


def file_waits(rows: Iterable[Mapping[str, Any]], stop_ns: int) -> list[Wait]:
    """The long ones of the waits in ``rows``, which are those of ``locks_files.sql``.

    A lock is had from the end of the call that got it to the entry of the one that gave it back: an unlock, a close of
    the file, or the end of the process.
    """
    held: dict[tuple[str, bool], list[_Lock]] = defaultdict(list)
    locked_by: dict[int, set[tuple[str, bool]]] = defaultdict(set)
    asking: dict[tuple[str, bool], list[tuple[_Lock, Wait]]] = defaultdict(list)
    found: list[Wait] = []
    for _, _, what, row in sorted(_steps(rows), key=lambda step: step[:2]):
        if row["what"] != "ask":
            for key in locked_by[row["pid"]]:
                if row["what"] == "end" or key[0] == row["name"]:
                    _give(held, asking, key, row)
            continue
        if row["name"] is None or row["kind"] is None:
            continue
        key = (row["name"], bool(row["is_flock"]))
        lock = _lock(row)
        if what == "give":
            _give(held, asking, key, row)
        elif what == "wait":
            wait = _wait(row, stop_ns)
            holders = [other for other in held[key] if other.conflicts(lock)]
            wait.holder = holders[-1].thread if holders else None
            asking[key].append((lock, wait))
            if row["is_long"]:
                found.append(wait)
        else:
            asking[key] = [entry for entry in asking[key] if entry[1].end_ns > row["end_ns"]]
            if row["ret"] == 0:
                held[key] = [*_without(held[key], lock), lock]
                locked_by[row["pid"]].add(key)
    return found


def _steps(rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[int, int, str, Mapping[str, Any]]]:
    """When what of a call takes effect; at one moment what is given back comes first."""
    for row in rows:
        if row["kind"] == _NONE:
            if row["ret"] == 0 or row["ret"] is None or row["what"] != "ask":
                yield row["ts_ns"], 0, "give", row
            continue
        if row["is_long"]:
            yield row["ts_ns"], 2, "wait", row
        if row["ret"] is not None:
            yield row["end_ns"], 1, "get", row


def _lock(row: Mapping[str, Any]) -> _Lock:
    by_descriptor = row["is_flock"] or row["is_ofd"]
    first, length = row["first"], row["length"]
    # A range from elsewhere than the beginning of the file is not known: it may be any.
    begin = 0 if first is None else first if length is None or length >= 0 else first + length
    end = _END if not length or first is None else max(first, first + length)
    thread = Thread(row["tid"], row["pid"], row["comm"])
    return _Lock((row["pid"], row["fd"] if by_descriptor else None), row["kind"], begin, end, thread)


def _wait(row: Mapping[str, Any], stop_ns: int) -> Wait:
    is_still = row["ret"] is None
    return Wait(
        Thread(row["tid"], row["pid"], row["comm"]),
        "flock" if row["is_flock"] else "fcntl",
        row["name"],
        row["ts_ns"],
        stop_ns if is_still else row["end_ns"],
        is_still,
        bool(row["errno"]),
    )


def _give(
    held: dict[tuple[str, bool], list[_Lock]],
    asking: dict[tuple[str, bool], list[tuple[_Lock, Wait]]],
    key: tuple[str, bool],
    row: Mapping[str, Any],
) -> None:
    """Takes from the locks of a file those that ``row`` gives back, and notes who gave them to whom."""
    giver = Thread(row["tid"], row["pid"], row["comm"])
    if row["what"] == "ask":
        part = _lock(row)
        given = [lock for lock in held[key] if lock.owner == part.owner]
        held[key] = _without(held[key], part)
    else:
        # A close of any descriptor of the file gives the process's own locks back, of those of a descriptor its own.
        numbers = (None, row["fd"]) if row["what"] == "close" else None
        given = [
            lock for lock in held[key] if lock.owner[0] == row["pid"] and (not numbers or lock.owner[1] in numbers)
        ]
        held[key] = [lock for lock in held[key] if lock not in given]
    for lock, wait in asking[key]:
        for other in given:
            if lock.conflicts(other):
                wait.holder = other.thread if row["what"] == "end" else giver


def _without(locks: list[_Lock], part: _Lock) -> list[_Lock]:
    """``locks`` without what their owner has of ``part``."""
    left = []
    for lock in locks:
        if lock.owner != part.owner or lock.end <= part.first or part.end <= lock.first:
            left.append(lock)
            continue
        for first, end in ((lock.first, part.first), (part.end, lock.end)):
            if first < end:
                left.append(_Lock(lock.owner, lock.kind, first, end, lock.thread))
    return left
