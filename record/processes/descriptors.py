"""What processes have open, and where they are, as /proc tells while they are recorded.

Formats: proc_pid_fd(5), proc_pid_fdinfo(5), proc_pid_cwd(5).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from bpfrec.record.processes import procfs
from bpfrec.record.processes.sockets import socket_names

# flags stand in the second line; what follows can be long.
_FDINFO_BYTES = 96
_SOCKET = "socket:["


@dataclass(frozen=True, slots=True)
class Descriptor:
    """``target`` as readlink gives it; ``flags`` (O_...) as fdinfo gives them, None where it could not be read.

    ``time``: when it was read, ns on CLOCK_MONOTONIC.
    """

    fd: int
    target: str
    flags: int | None
    time: int

    @property
    def inode(self) -> int | None:
        """The inode of a socket; None: it is none."""
        number = self.target.removeprefix(_SOCKET).removesuffix("]")
        return int(number) if self.target.startswith(_SOCKET) and number.isdigit() else None


@dataclass(frozen=True, slots=True)
class Possessions:
    """A process at ``time`` (ns on CLOCK_MONOTONIC): what it had open, its working directory and root.

    All that it opened before ``time`` and has not closed is there.
    """

    pid: int
    time: int
    cwd: str | None
    root: str | None
    network: str | None
    descriptors: tuple[Descriptor, ...]


@dataclass
class DescriptorSnapshot:
    """What processes had open when they were read; taken while calls are recorded, so that no change is missed."""

    by_pid: dict[int, Possessions] = field(default_factory=dict)
    _names: dict[str, dict[int, str]] = field(default_factory=dict)

    def take(self, pids: Iterable[int]) -> Iterator[int]:
        """Reads the processes one by one, each as it is asked for, and then the sockets of their namespaces."""
        for pid in pids:
            found = possessions(pid)
            if found is not None:
                self.by_pid[pid] = found
                yield pid
        for found in self.by_pid.values():
            if found.network is not None and found.network not in self._names and _has_sockets(found):
                names = socket_names(found.pid)
                if names is not None:
                    self._names[found.network] = names
                    yield found.pid

    def name(self, found: Possessions, descriptor: Descriptor) -> str | None:
        """What a socket is called, as ``TCP 10.0.0.1:80->10.0.0.2:5555``; None for what is none, or not known."""
        inode = descriptor.inode
        return None if inode is None else self._names.get(found.network or "", {}).get(inode)


def possessions(pid: int) -> Possessions | None:
    """What process ``pid`` has; None where it has gone, or may not be looked at."""
    folder = f"{procfs.PROC}/{pid}"
    now = time.monotonic_ns()
    try:
        numbers = sorted(int(name) for name in os.listdir(f"{folder}/fd"))  # noqa: PTH208 - quicker
    except OSError:
        return None
    return Possessions(
        pid,
        now,
        _link(f"{folder}/cwd"),
        _link(f"{folder}/root"),
        _link(f"{folder}/ns/net"),
        tuple(found for number in numbers if (found := _descriptor(folder, number)) is not None),
    )


def _has_sockets(found: Possessions) -> bool:
    return any(descriptor.inode is not None for descriptor in found.descriptors)


def _descriptor(folder: str, number: int) -> Descriptor | None:
    now = time.monotonic_ns()
    target = _link(f"{folder}/fd/{number}")
    return None if target is None else Descriptor(number, target, _flags(f"{folder}/fdinfo/{number}"), now)


def _link(path: str) -> str | None:
    try:
        return os.fsencode(os.readlink(path)).decode("utf-8", "backslashreplace")  # noqa: PTH115 - quicker
    except OSError:
        return None


def _flags(path: str) -> int | None:
    raw = b""
    with suppress(OSError):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            raw = os.read(file, _FDINFO_BYTES)
        finally:
            os.close(file)
    for line in raw.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        if name == b"flags":
            with suppress(ValueError):
                return int(value, 8)
    return None
