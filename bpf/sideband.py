"""The side band: perf's own records of processes that start and end, of names and of executable mappings.

A dummy event on each CPU gives them. Times are ns on CLOCK_MONOTONIC, as those of the calls.
Layouts: include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from bpfrec.bpf import perf_records
from bpfrec.bpf.perf_event import (
    FLAG_BUILD_ID,
    FLAG_COMM,
    FLAG_COMM_EXEC,
    FLAG_MMAP,
    FLAG_MMAP2,
    FLAG_SAMPLE_ID_ALL,
    FLAG_TASK,
    FLAG_USE_CLOCKID,
    FLAG_WATERMARK,
    PERF_COUNT_SW_DUMMY,
    PERF_SAMPLE_TID,
    PERF_SAMPLE_TIME,
    PERF_TYPE_SOFTWARE,
    PerfEventAttr,
    Ring,
    open_on_cpu,
)

_MISC_COMM_EXEC = 1 << 13
_MISC_MMAP_BUILD_ID = 1 << 14

_TASK = struct.Struct("<IIIIQ")
_COMM = struct.Struct("<II")
_MMAP2 = struct.Struct("<IIQQQ24sII")
_SAMPLE_ID = struct.Struct("<IIQ")
_DEVICE = struct.Struct("<IIQQ")
# Bytes of a body, without which a record is damaged.
_LEAST = {
    perf_records.LOST: 16,
    perf_records.COMM: _COMM.size + _SAMPLE_ID.size,
    perf_records.EXIT: _TASK.size,
    perf_records.FORK: _TASK.size,
    perf_records.MMAP2: _MMAP2.size + _SAMPLE_ID.size,
}


class Comm(NamedTuple):
    """Thread ``tid`` of ``pid`` is called ``comm`` from ``time`` on; ``exec``: because it executed a program."""

    time: int
    pid: int
    tid: int
    comm: str
    exec: bool


class Fork(NamedTuple):
    """``parent_tid`` of ``parent_pid`` made the thread ``tid`` of ``pid``: a new process where the pids differ."""

    time: int
    pid: int
    tid: int
    parent_pid: int
    parent_tid: int


class Exit(NamedTuple):
    """The thread ``tid`` of ``pid`` ended."""

    time: int
    pid: int
    tid: int


class Mapping(NamedTuple):
    """An executable mapping of ``pid``: addresses ``start``..``end``, ``offset`` in the file, all in bytes.

    ``build_id``: in hex, if the kernel gave it. If it gave the file instead: ``device`` (major, minor) and ``inode``.
    """

    time: int
    pid: int
    start: int
    end: int
    offset: int
    path: str
    build_id: str | None
    device: tuple[int, int] | None
    inode: int | None


class Lost(NamedTuple):
    """``number`` records of the side band found no room in the ring."""

    number: int


Event = Comm | Fork | Exit | Mapping | Lost


def open_sideband_rings(cpus: list[int], size: int) -> list[Ring]:
    """A ring of ``size`` bytes per CPU with the events of every process.

    Raises:
        OSError: perf_event_open failed.
    """
    rings: list[Ring] = []
    wanted = FLAG_MMAP | FLAG_MMAP2 | FLAG_COMM | FLAG_COMM_EXEC | FLAG_TASK | FLAG_SAMPLE_ID_ALL
    build_id = FLAG_BUILD_ID
    try:
        for cpu in cpus:
            attr = PerfEventAttr(
                type=PERF_TYPE_SOFTWARE,
                config=PERF_COUNT_SW_DUMMY,
                sample_type=PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
                flags=wanted | build_id | FLAG_USE_CLOCKID | FLAG_WATERMARK,
                clockid=time.CLOCK_MONOTONIC,
                wakeup_watermark=size // 4,
            )
            try:
                descriptor = open_on_cpu(attr, cpu)
            except OSError as error:
                if error.errno != errno.EINVAL or not build_id:
                    raise
                # Kernels before 5.12 refuse the build_id bit.
                build_id = 0
                attr.flags &= ~FLAG_BUILD_ID
                descriptor = open_on_cpu(attr, cpu)
            rings.append(Ring(descriptor, cpu, size))
    except BaseException:
        for ring in rings:
            ring.close()
        raise
    return rings


def parse_events(data: bytes | memoryview) -> Iterator[Event]:
    """The events in ``data``, whole perf records drained from one ring, in their order."""
    for kind, misc, body in _records(data):
        event = _event(kind, misc, body)
        if event is not None:
            yield event


def parse_forks(data: bytes | memoryview) -> Iterator[Fork]:
    """Only the forks in ``data``."""
    return (_fork(body) for kind, _misc, body in _records(data) if kind == perf_records.FORK)


def _records(data: bytes | memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Kind, flags and body of the records in ``data``; those that are too short for their kind are left out."""
    view = memoryview(data)
    for kind, misc, start, end in perf_records.perf_records(view):
        if end - start >= _LEAST.get(kind, 0):
            yield kind, misc, view[start:end]


def _event(kind: int, misc: int, body: memoryview) -> Event | None:
    if kind == perf_records.FORK:
        return _fork(body)
    if kind == perf_records.EXIT:
        pid, _parent_pid, tid, _parent_tid, when = _TASK.unpack_from(body)
        return Exit(when, pid, tid)
    if kind == perf_records.COMM:
        pid, tid = _COMM.unpack_from(body)
        return Comm(
            _sample_time(body), pid, tid, _text(body[_COMM.size : -_SAMPLE_ID.size]), bool(misc & _MISC_COMM_EXEC)
        )
    if kind == perf_records.MMAP2:
        return _mapping(misc, body)
    if kind == perf_records.LOST:
        return Lost(int.from_bytes(body[8:16], "little"))
    return None


def _fork(body: memoryview) -> Fork:
    pid, parent_pid, tid, parent_tid, when = _TASK.unpack_from(body)
    return Fork(when, pid, tid, parent_pid, parent_tid)


def _mapping(misc: int, body: memoryview) -> Mapping:
    pid, _tid, start, length, offset, identity, _prot, _flags = _MMAP2.unpack_from(body)
    path = _text(body[_MMAP2.size : -_SAMPLE_ID.size])
    build_id, device, inode = None, None, None
    if misc & _MISC_MMAP_BUILD_ID:
        build_id = _hex(identity[4 : 4 + min(identity[0], 20)])
    else:
        major, minor, inode, _generation = _DEVICE.unpack(identity)
        device = (major, minor)
    return Mapping(_sample_time(body), pid, start, start + length, offset, path, build_id, device, inode)


def _sample_time(body: memoryview) -> int:
    when: int = _SAMPLE_ID.unpack_from(body, len(body) - _SAMPLE_ID.size)[2]
    return when


# The same few names, paths and build ids come again and again. One object for each saves most of the memory.
@lru_cache(maxsize=4096)
def _decoded(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


@lru_cache(maxsize=4096)
def _hex(raw: bytes) -> str | None:
    return raw.hex() or None


def _text(raw: memoryview) -> str:
    return _decoded(raw.tobytes())
