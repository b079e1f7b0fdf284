"""Rows for the tables about processes, threads and mappings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bpfrec.record.processes.descriptors import Descriptor, DescriptorSnapshot, ProcessFiles
from bpfrec.record.processes.history import BEFORE, History, ProcessLife, ThreadName
from bpfrec.record.stacks.modules import Modules

_FAR = 1 << 62


def _time(when: int) -> int | None:
    return None if when == BEFORE else when


Rows = Iterator[dict[str, Any]]


def process_rows(history: History, snapshot: DescriptorSnapshot, pids: set[int]) -> Rows:
    """Rows of ``processes`` for ``pids``; one of which nothing is known but its calls has a row too."""

    def files(life: ProcessLife) -> ProcessFiles | None:
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
            "ns_pid": life.namespace_pid,
            "pid_ns": life.pid_namespace,
            "cwd": found.cwd if found else None,
            "root": found.root if found else None,
            "snapshot_ns": found.time if found else None,
        }
        | _end(life.status)
        for pid in sorted(pids)
        for life in history.recorded_lives(pid) or [ProcessLife(pid, None, BEFORE)]
        for found in (files(life),)
    )


def descriptor_rows(snapshot: DescriptorSnapshot, pids: set[int]) -> Rows:
    """Rows of ``descriptors`` for ``pids``."""
    holders: list[tuple[ProcessFiles, int | None, tuple[Descriptor, ...]]] = [
        (found, None, found.descriptors) for _, found in sorted(snapshot.by_pid.items())
    ]
    holders += [(snapshot.by_pid[thread.pid], thread.tid, thread.descriptors) for thread in snapshot.apart]
    return (
        {
            "pid": found.pid,
            "tid": tid,
            "fd": descriptor.fd,
            "target": descriptor.target,
            "flags": descriptor.flags,
            "ts_ns": descriptor.time,
            "name": snapshot.name(found, descriptor),
        }
        for found, tid, descriptors in holders
        if found.pid in pids
        for descriptor in descriptors
    )


def thread_table_rows(snapshot: DescriptorSnapshot, pids: set[int]) -> Rows:
    """Rows of ``thread_tables`` for ``pids``."""
    return (
        {
            "pid": thread.pid,
            "tid": thread.tid,
            "files_tid": thread.files_tid,
            "directories_tid": thread.directories_tid,
            "cwd": thread.cwd,
            "root": thread.root,
            "snapshot_ns": thread.time,
        }
        for thread in snapshot.apart
        if thread.pid in pids
    )


def _end(status: int | None) -> dict[str, int | None]:
    """Columns for a status of wait4(): see wait(2)."""
    signal = None if status is None else status & 0x7F
    return {"exit_code": None if signal is None or signal else (status or 0) >> 8 & 0xFF, "signal": signal or None}


def thread_rows(history: History, tids: set[int]) -> Rows:
    """Rows of ``threads`` for ``tids``, but for other processes' threads of the same id."""

    def is_recorded(name: ThreadName) -> bool:
        life = history.life_at(name.pid, name.start)
        return life is None or life in history.recorded_lives(name.pid)

    return (
        {
            "tid": name.tid,
            "pid": name.pid,
            "comm": name.comm,
            "start_ns": _time(name.start),
            "end_ns": name.end,
        }
        for name in history.names
        if name.tid in tids and is_recorded(name)
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
