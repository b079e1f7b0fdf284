"""Reads /proc about processes, which may end at any moment: what cannot be read is None or left out, and logged.

Formats: proc(5). Text that is not UTF-8 is decoded with the wrong bytes written as ``\\xNN``.
"""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)

PROC = Path("/proc")

MOST_ARGUMENTS = 1 << 15
"""How many bytes of the arguments of a process are kept: they may have megabytes, and there may be many processes."""

# The second line of fdinfo has the flags; what follows can be long.
_FDINFO_BYTES = 96

# Of /proc/PID/syscall: number, six arguments, stack pointer, instruction pointer.
_CALL_WORDS = 9
# Stopped by a signal, stopped by a tracer.
_STOPPED = (b"T", b"t")
_ENDED = (b"Z", b"X")


@dataclass(frozen=True)
class ProcessStatus:
    """From /proc/PID/status: ids of process, parent and real user, and the pid inside its innermost namespace."""

    pid: int
    parent: int
    uid: int
    namespace_pid: int


@dataclass(frozen=True)
class Reader:
    """The real user, group and further groups of a process: what it may read of itself."""

    uid: int
    gid: int
    groups: tuple[int, ...]


NOBODY = Reader(65534, 65534, ())
"""Reads what everybody may read."""


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
    """Yields the pids of the processes that exist."""
    with os.scandir(PROC) as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield int(entry.name)


def exists(pid: int) -> bool:
    """Whether there is a process or thread ``pid``; one that has ended is there until its parent knows."""
    return (PROC / str(pid)).exists()


def status(pid: int) -> ProcessStatus | None:
    """Returns the status of process ``pid``, or of the process that thread ``pid`` belongs to."""
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


def reader(pid: int) -> Reader | None:
    """Returns who process ``pid`` is when files are read; None where it has gone."""
    fields = _status_fields(pid)
    try:
        groups = fields.get("Groups", "").split()
        return Reader(int(fields["Uid"].split()[0]), int(fields["Gid"].split()[0]), tuple(map(int, groups)))
    except (KeyError, ValueError, IndexError):
        return None


def _status_fields(pid: int) -> dict[str, str]:
    raw = _read(f"{pid}/status") or b""
    pairs = (line.partition(":") for line in raw.decode("utf-8", "replace").split("\n"))
    return {name: value.strip() for name, _, value in pairs}


def pid_namespace(pid: int) -> int | None:
    """Returns the inode number of the pid namespace that ``pid`` is in: namespaces(7)."""
    try:
        return (PROC / f"{pid}/ns/pid").stat().st_ino
    except OSError as error:
        _unread(f"{pid}/ns/pid", error)
        return None


def threads(pid: int) -> list[int]:
    """Returns the ids of the threads of ``pid``; none where it has gone."""
    return _numbers(f"{pid}/task") or []


def living_thread(pid: int) -> int:
    """Returns a thread of ``pid`` that still has memory and files: another than ``pid`` if the main thread has ended.

    /proc/TID has all that /proc/PID has, and of a main thread that has ended both are nearly empty.
    """
    if _state(pid, pid) not in _ENDED:
        return pid
    return next((tid for tid in threads(pid) if _state(pid, tid) not in (*_ENDED, b"")), pid)


def ended_threads(pid: int) -> set[int]:
    """Returns the threads of ``pid`` that have ended and are still listed, as a main thread is until all have."""
    return {tid for tid in threads(pid) if _state(pid, tid) in _ENDED}


def thread_names(pid: int) -> dict[int, str]:
    """Returns the names of the threads of ``pid`` by thread id."""
    names = ((tid, comm(pid, tid)) for tid in threads(pid))
    return {tid: name for tid, name in names if name is not None}


def comm(pid: int, tid: int) -> str | None:
    """Returns the name of one thread."""
    raw = _read(f"{pid}/task/{tid}/comm")
    return None if raw is None else _text(raw.removesuffix(b"\n"))


def call_of(pid: int, tid: int) -> tuple[int, tuple[int, ...]] | None:
    """Returns the number and the arguments of the system call that a thread sleeps in; None where it is in none."""
    words = (_read(f"{pid}/task/{tid}/syscall") or b"").split()
    # One word: "running". Three: the number -1, for it sleeps outside of calls.
    if len(words) < _CALL_WORDS:
        return None
    # Kernel threads and workers of io_uring have no user code, and so neither stack pointer nor instruction pointer.
    if int(words[-2], 16) == int(words[-1], 16) == 0:
        return None
    # A stopped thread has left its call before it stopped; the number stays until it makes another.
    if _state(pid, tid) in _STOPPED:
        return None
    return int(words[0]), tuple(int(word, 16) for word in words[1:7])


def is_32_bit(pid: int) -> bool:
    """Tells whether the program that ``pid`` executes is a 32-bit one.

    The auxiliary vector tells: its words have 4 or 8 bytes, the first is a small number and the second is none. The
    file of the program would tell too, but may be on a file system that does not answer.
    """
    return any((_read(f"{pid}/auxv") or b"")[4:8])


def exe(pid: int) -> str | None:
    """Returns the path of the program of ``pid``, as the kernel names it."""
    return link(pid, "exe")


def cmdline(pid: int) -> str | None:
    """Returns the arguments of ``pid``, quoted for a shell; very long ones end with ``...``."""
    raw = _read(f"{pid}/cmdline", MOST_ARGUMENTS)
    if not raw:
        return None
    # A program that sets its title leaves NULs behind it.
    words = raw.rstrip(b"\0").split(b"\0")
    return shlex.join(map(_text, words)) + (" ..." if len(raw) == MOST_ARGUMENTS else "") if words != [b""] else None


def executable_maps(pid: int) -> list[MapsLine]:
    """Returns the executable mappings of ``pid``, by address."""
    raw = _read(f"{pid}/maps") or b""
    # Of the characters that end lines the kernel escapes only \n: a path may hold \r.
    return [_maps_line(line) for line in raw.split(b"\n") if line and b"x" in line.split(b" ", 2)[1]]


def link(pid: int, name: str) -> str | None:
    """Returns where the link ``name`` in the folder of ``pid`` leads, such as ``cwd``, ``fd/3`` or ``ns/net``."""
    path = f"{PROC}/{pid}/{name}"
    try:
        return _text(os.fsencode(os.readlink(path)))  # noqa: PTH115 - quicker
    except OSError as error:
        _unread(f"{pid}/{name}", error)
        return None


def descriptors(pid: int) -> list[int] | None:
    """Returns the numbers of the open descriptors of ``pid``, rising; None where they may not be read."""
    numbers = _numbers(f"{pid}/fd")
    return None if numbers is None else sorted(numbers)


def is_hidden(pid: int) -> bool:
    """Tells whether ``pid`` exists, and what it has open may not be read."""
    try:
        with os.scandir(f"{PROC}/{pid}/fd"):
            return False
    except PermissionError:
        return True
    except OSError:
        return False


def descriptor_flags(pid: int, number: int) -> int | None:
    """Returns the flags (O_...) of an open descriptor: proc_pid_fdinfo(5)."""
    raw = _read(f"{pid}/fdinfo/{number}", _FDINFO_BYTES) or b""
    for line in raw.split(b"\n")[:-1]:
        name, _, value = line.partition(b":")
        if name == b"flags":
            with suppress(ValueError):
                return int(value, 8)
    return None


def may_read_net(pid: int) -> bool:
    """Tells whether the tables of sockets of the network namespace of ``pid`` can be read."""
    return (PROC / f"{pid}/net").is_dir()


def net_table(pid: int, name: str) -> list[bytes]:
    """Returns the lines of /proc/PID/net/``name`` without the heading; none where there is no such table."""
    return (_read(f"{pid}/net/{name}") or b"").split(b"\n")[1:]


def _state(pid: int, tid: int) -> bytes:
    """Returns the letter for the state of a thread, b"" where it has gone: proc_pid_stat(5)."""
    # The name in parentheses before it may hold parentheses and blanks.
    return (_read(f"{pid}/task/{tid}/stat") or b"").rpartition(b") ")[2][:1]


def started(pid: int) -> int | None:
    """Returns when process ``pid`` started, in ticks of the kernel; None where it has ended, even if not reaped."""
    # The fields behind the name begin with the state, the third; the 22nd is the start.
    fields = (_read(f"{pid}/stat") or b"").rpartition(b") ")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in _ENDED else None


def _maps_line(line: bytes) -> MapsLine:
    addresses, _permissions, offset, device, inode, *rest = line.split(None, 5)
    start, end = addresses.split(b"-")
    major, minor = device.split(b":")
    path = _text(rest[0]) if rest else "//anon"
    return MapsLine(int(start, 16), int(end, 16), int(offset, 16), (int(major, 16), int(minor, 16)), int(inode), path)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _numbers(name: str) -> list[int] | None:
    try:
        return [int(entry) for entry in os.listdir(f"{PROC}/{name}")]  # noqa: PTH208 - quicker
    except OSError as error:
        _unread(name, error)
        return None


def _read(name: str, limit: int | None = None) -> bytes | None:
    """Reads a file below /proc, at most ``limit`` bytes in one read; None where that fails."""
    try:
        file = os.open(f"{PROC}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if limit is not None:
                return os.read(file, limit)
            with os.fdopen(file, "rb", closefd=False) as whole:
                return whole.read()
        finally:
            os.close(file)
    except OSError as error:
        _unread(name, error)
        return None


def _unread(name: str, error: OSError) -> None:
    _log.debug("/proc/%s: %s", name, error.strerror)
