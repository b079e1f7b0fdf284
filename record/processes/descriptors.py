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


@dataclass
class DescriptorSnapshot:
    """What processes had open. It is read after the recording of calls has begun, so that no change is missed.

    ``names``: of sockets, by network namespace and inode.
    """

    by_pid: dict[int, ProcessFiles] = field(default_factory=dict)
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
                yield pid
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
    numbers = procfs.descriptors(thread)
    if numbers is None:
        return None
    return ProcessFiles(
        pid,
        now,
        procfs.link(thread, "cwd"),
        procfs.link(thread, "root"),
        procfs.link(thread, "ns/net"),
        tuple(found for number in numbers if (found := _descriptor(thread, number)) is not None),
    )


def _has_sockets(found: ProcessFiles) -> bool:
    return any(descriptor.inode is not None for descriptor in found.descriptors)


def _descriptor(pid: int, number: int) -> Descriptor | None:
    now = monotonic_ns()
    target = procfs.link(pid, f"fd/{number}")
    return None if target is None else Descriptor(number, target, procfs.descriptor_flags(pid, number), now)
