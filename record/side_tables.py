"""Rows for the tables about processes, threads and mappings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bpfrec.record.descriptors import DescriptorSnapshot, Possessions
from bpfrec.record.history import BEFORE, History, ProcessLife, ThreadName
from bpfrec.record.modules import Modules

_FAR = 1 << 62


def _time(when: int) -> int | None:
    return None if when == BEFORE else when


Rows = Iterator[dict[str, Any]]


def process_rows(history: History, snapshot: DescriptorSnapshot, pids: set[int]) -> Rows:
    """Rows of ``processes`` for ``pids``; one of which nothing is known but its calls has a row too."""

    def possessions(life: ProcessLife) -> Possessions | None:
        found = snapshot.by_pid.get(life.pid)
        return found if found and life.start <= found.time <= (life.end or _FAR) else None

    names: dict[int, list[ThreadName]] = {}
    for name in history.names:
        if name.tid in pids:
            names.setdefault(name.tid, []).append(name)

    def last_name(life: ProcessLife) -> str | None:
        known = [n.comm for n in names.get(life.pid, []) if life.end is None or n.start <= life.end]
        return known[-1] if known else None

    return (
        {
            "pid": pid,
            "ppid": life.parent,
            "start_ns": _time(life.start),
            "end_ns": life.end,
            "comm": last_name(life),
            "exe": life.exe or history.program(pid, life.end or _FAR),
            "cmdline": life.cmdline,
            "uid": None if life.uid is None else int(np.array(life.uid).astype(np.int32)),
            "cwd": found.cwd if found else None,
            "root": found.root if found else None,
            "snapshot_ns": found.time if found else None,
        }
        for pid in sorted(pids)
        for life in history.lives(pid) or [ProcessLife(pid, None, BEFORE)]
        for found in (possessions(life),)
    )


def descriptor_rows(snapshot: DescriptorSnapshot, pids: set[int]) -> Rows:
    """Rows of ``descriptors`` for ``pids``."""
    return (
        {
            "pid": found.pid,
            "fd": descriptor.fd,
            "target": descriptor.target,
            "flags": descriptor.flags,
            "ts_ns": descriptor.time,
            "name": snapshot.name(found, descriptor),
        }
        for pid, found in sorted(snapshot.by_pid.items())
        if pid in pids
        for descriptor in found.descriptors
    )


def thread_rows(history: History, tids: set[int]) -> Rows:
    """Rows of ``threads`` for ``tids``."""
    return (
        {
            "tid": name.tid,
            "pid": name.pid,
            "comm": name.comm,
            "start_ns": _time(name.start),
            "end_ns": name.end,
        }
        for name in history.names
        if name.tid in tids
    )


def mapping_rows(history: History, modules: Modules, pids: set[int]) -> Rows:
    """Rows of ``mappings`` for ``pids``."""
    return (
        {
            "pid": pid,
            "start_addr": mapping.start,
            "end_addr": mapping.end,
            "file_offset": mapping.offset,
            "path": mapping.path,
            "device": f"{mapping.device[0]:02x}:{mapping.device[1]:02x}" if mapping.device else None,
            # Some file systems number files with all 64 bits.
            "inode": mapping.inode if mapping.inode is None or mapping.inode < 1 << 63 else None,
            "build_id": modules.build_id(mapping),
            "start_ns": _time(mapping.time),
        }
        for pid in sorted(pids)
        for mapping in dict.fromkeys(history.mappings(pid))
    )
