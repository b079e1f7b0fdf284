"""What processes have open, their working directories and roots, read from /proc while calls are recorded.

Formats: proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_cwd(5).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.record.processes import procfs
from bpfrec.record.processes.sharing import DIRECTORIES, FILES, share, sharing
from bpfrec.record.processes.sockets import socket_names

_log = logging.getLogger(__name__)

_SOCKET = "socket:["


@dataclass(frozen=True, slots=True)
class Descriptor:
    """An open descriptor: its number, and ``target`` as readlink gives it, such as a path or ``socket:[123]``.

    ``flags``: O_... as fdinfo gives them, None where that could not be read. ``time``: when it was read, ns on
    CLOCK_MONOTONIC.
    """

    fd: int
    target: str
    flags: int | None
    time: int

    @property
    def inode(self) -> int | None:
        """The inode number of a socket; None for other files."""
        number = self.target.removeprefix(_SOCKET).removesuffix("]")
        return int(number) if self.target.startswith(_SOCKET) and number.isdigit() else None


@dataclass(frozen=True, slots=True)
class ProcessFiles:
    """What a process had open, its working directory and its root; ``network``: its network namespace.

    Everything that it opened before ``time`` (ns on CLOCK_MONOTONIC) and did not close since is in ``descriptors``.
    """

    pid: int
    time: int
    cwd: str | None
    root: str | None
    network: str | None
    descriptors: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class ThreadFiles:
    """A thread that does not share with the main thread of its process, or a main thread that shares with another.

    ``files_tid`` and ``directories_tid``: the thread whose descriptors, and whose working directory and root, it has;
    ``descriptors``: its own.
    """

    pid: int
    tid: int
    files_tid: int
    directories_tid: int
    time: int
    cwd: str | None
    root: str | None
    descriptors: tuple[Descriptor, ...] = ()


@dataclass
class DescriptorSnapshot:
    """What processes had open. It is read after the recording of calls has begun, so that no change is missed.

    ``apart``: threads and processes that share in another way than usual. ``refused``: how many processes may not be
    looked at. ``names``: of sockets, by network namespace and inode.
    """

    by_pid: dict[int, ProcessFiles] = field(default_factory=dict)
    apart: list[ThreadFiles] = field(default_factory=list)
    refused: int = 0
    names: dict[str, dict[int, str]] = field(default_factory=dict)

    def take(self, pids: Iterable[int]) -> Iterator[int]:
        """Reads the processes ``pids``, one per step, and then the names of the sockets in their namespaces.

        Yields the pid that was read, so that the caller can do other things in between.
        """
        begun = time.monotonic()
        for pid in pids:
            found = read_files(pid)
            if found is not None:
                self.by_pid[pid] = found
                self.apart += threads_apart(pid)
                yield pid
            elif procfs.is_hidden(pid):
                self.refused += 1
        self.apart += processes_together(self.by_pid)
        for found in self.by_pid.values():
            if found.network is not None and found.network not in self.names and _has_sockets(found):
                names = socket_names(procfs.living_thread(found.pid))
                if names is not None:
                    self.names[found.network] = names
                    yield found.pid
        _log.info("read descriptors of %d processes: %.3f s", len(self.by_pid), time.monotonic() - begun)

    def name(self, found: ProcessFiles, descriptor: Descriptor) -> str | None:
        """Returns the name of a socket, as ``TCP 10.0.0.1:80->10.0.0.2:5555``; None if unknown or no socket."""
        inode = descriptor.inode
        return None if inode is None else self.names.get(found.network or "", {}).get(inode)


def read_files(pid: int) -> ProcessFiles | None:
    """Reads what process ``pid`` has open; None where it has gone, or may not be looked at."""
    now = monotonic_ns()
    thread = procfs.living_thread(pid)
    descriptors = _descriptors(thread)
    if descriptors is None:
        return None
    cwd, root, network = (procfs.link(thread, name) for name in ("cwd", "root", "ns/net"))
    return ProcessFiles(pid, now, cwd, root, network, descriptors)


def threads_apart(pid: int) -> list[ThreadFiles]:
    """Reads the threads of ``pid`` that have descriptors or directories of their own."""
    main = procfs.living_thread(pid)
    apart: list[ThreadFiles] = []
    for tid in procfs.threads(pid):
        now = monotonic_ns()
        shares_files, shares_directories = (tid == main or share(main, tid, what) for what in (FILES, DIRECTORIES))
        if shares_files and shares_directories:
            continue
        files = pid if shares_files else _same(apart, tid, FILES)
        directories = pid if shares_directories else _same(apart, tid, DIRECTORIES)
        own = _descriptors(tid) if files == tid else None
        links = procfs.link(tid, "cwd"), procfs.link(tid, "root")
        apart.append(ThreadFiles(pid, tid, files, directories, now, *links, own or ()))
    return apart


def _same(apart: list[ThreadFiles], tid: int, what: int) -> int:
    """The first of ``apart`` that ``tid`` shares with; itself if there is none."""
    return next((other.tid for other in apart if share(other.tid, tid, what)), tid)


def processes_together(pids: Iterable[int]) -> list[ThreadFiles]:
    """Finds the processes of ``pids`` that share with another one; of a process, its main thread stands for all."""
    mains = {procfs.living_thread(pid): pid for pid in pids}
    files, directories = (
        {mains[tid]: mains[other] for tid, other in sharing(mains, what).items()} for what in (FILES, DIRECTORIES)
    )
    now = monotonic_ns()
    return [
        ThreadFiles(pid, pid, files.get(pid, pid), directories.get(pid, pid), now, None, None)
        for pid in sorted(files.keys() | directories.keys())
    ]


def _descriptors(thread: int) -> tuple[Descriptor, ...] | None:
    numbers = procfs.descriptors(thread)
    if numbers is None:
        return None
    return tuple(found for number in numbers if (found := _descriptor(thread, number)) is not None)


def _has_sockets(found: ProcessFiles) -> bool:
    return any(descriptor.inode is not None for descriptor in found.descriptors)


def _descriptor(pid: int, number: int) -> Descriptor | None:
    now = monotonic_ns()
    target = procfs.link(pid, f"fd/{number}")
    return None if target is None else Descriptor(number, target, procfs.descriptor_flags(pid, number), now)
