"""Reading /proc about processes that may end at any moment: what cannot be read is None or left out.

Formats: proc(5).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessStatus:
    """From /proc/PID/status: ids of process, parent and real user, and the pid inside its innermost namespace."""

    pid: int
    parent: int
    uid: int
    namespace_pid: int


@dataclass(frozen=True)
class MapsLine:
    """An executable mapping from /proc/PID/maps; addresses and offset in bytes, device as (major, minor)."""

    start: int
    end: int
    offset: int
    device: tuple[int, int]
    inode: int
    path: str


def pids() -> Iterator[int]:
    """The processes there are."""
    with os.scandir(PROC) as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def status(pid: int) -> ProcessStatus | None:
    """The status of process ``pid``, or of the process of thread ``pid``."""
    fields = _status_fields(pid)
    try:
        return ProcessStatus(
            pid=int(fields["Tgid"]),
            parent=int(fields["PPid"]),
            uid=int(fields["Uid"].split()[0]),
            namespace_pid=int(fields.get("NSpid", fields["Tgid"]).split()[-1]),
        )
    except (KeyError, ValueError, IndexError):
        return None


def pid_namespace(pid: int) -> int | None:
    """The inode number of the pid namespace that ``pid`` is in: namespaces(7)."""
    try:
        return (PROC / f"{pid}/ns/pid").stat().st_ino
    except OSError:
        return None


def thread_names(pid: int) -> dict[int, str]:
    """The threads of ``pid`` and their names."""
    names = {}
    try:
        tids = [int(entry.name) for entry in (PROC / str(pid) / "task").iterdir()]
    except OSError:
        return {}
    for tid in tids:
        name = comm(pid, tid)
        if name is not None:
            names[tid] = name
    return names


def comm(pid: int, tid: int) -> str | None:
    """The name of one thread."""
    try:
        raw = (PROC / str(pid) / "task" / str(tid) / "comm").read_bytes()
    except OSError:
        return None
    return raw.removesuffix(b"\n").decode("utf-8", "backslashreplace")


def call_of(pid: int, tid: int) -> tuple[int, tuple[int, ...]] | None:
    """The number and the arguments of the system call that a thread sleeps in; None where it sleeps in none."""
    try:
        words = (PROC / f"{pid}/task/{tid}/syscall").read_bytes().split()
    except OSError:
        return None
    # "running", or the number -1 where it sleeps elsewhere.
    return (int(words[0]), tuple(int(word, 16) for word in words[1:7])) if len(words) > 6 else None


def is_32_bit(pid: int) -> bool:
    """Whether the program that ``pid`` executes is a 32-bit ELF file."""
    try:
        with (PROC / f"{pid}/exe").open("rb") as file:
            return file.read(5)[4:] == b"\1"
    except OSError:
        return False


def exe(pid: int) -> str | None:
    """The executable of ``pid`` as the kernel names it."""
    try:
        return os.fsencode((PROC / f"{pid}/exe").readlink()).decode("utf-8", "backslashreplace")
    except OSError:
        return None


def cmdline(pid: int) -> str | None:
    """The arguments of ``pid``, quoted for a shell."""
    try:
        raw = (PROC / f"{pid}/cmdline").read_bytes()
    except OSError:
        return None
    # A program that sets its title leaves NULs behind it.
    words = raw.rstrip(b"\0").split(b"\0") if raw else []
    return shlex.join(word.decode("utf-8", "backslashreplace") for word in words) if words else None


def executable_maps(pid: int) -> list[MapsLine]:
    """The executable mappings of ``pid``."""
    try:
        raw = (PROC / str(pid) / "maps").read_bytes()
    except OSError:
        return []
    # Of the characters that end lines the kernel escapes \n alone: a path may hold \r.
    return [_maps_line(line) for line in raw.split(b"\n") if line and b"x" in line.split(b" ", 2)[1]]


def _maps_line(line: bytes) -> MapsLine:
    addresses, _permissions, offset, device, inode, *rest = line.split(None, 5)
    start, end = addresses.split(b"-")
    major, minor = device.split(b":")
    path = rest[0].decode("utf-8", "backslashreplace") if rest else "//anon"
    return MapsLine(int(start, 16), int(end, 16), int(offset, 16), (int(major, 16), int(minor, 16)), int(inode), path)


def _status_fields(pid: int) -> dict[str, str]:
    try:
        text = (PROC / str(pid) / "status").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n"))
    return {name: value.strip() for name, _, value in pairs}
