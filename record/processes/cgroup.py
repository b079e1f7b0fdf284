"""Finds the cgroup (version 2) that ``--cgroup`` names: see cgroups(7) and the kernel's cgroup-v2.rst."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bpfrec.formats.errors import BpfrecError

_MOUNTINFO = Path("/proc/self/mountinfo")
_OWN = Path("/proc/self/cgroup")
_FIND = "List them with: systemd-cgls   or see a process's with: cat /proc/PID/cgroup (the line that begins with 0::)"


@dataclass(frozen=True)
class _Mount:
    device: int
    folder: Path
    kind: str


def find_cgroup(name: str) -> Path:
    """Returns the folder of the cgroup ``name``: a mounted folder, a path as in /proc/PID/cgroup, or ``self``.

    Raises:
        BpfrecError: there is no such cgroup, it has version 1, or no cgroups of version 2 are mounted.
    """
    mounts = list(_mounts())
    unified = next((mount for mount in mounts if mount.kind == "cgroup2"), None)
    if unified is None:
        found = "cgroups of version 1 alone" if mounts else "no cgroups"
        raise BpfrecError(
            f"--cgroup takes cgroups of version 2, and there are {found} mounted here",
            "Mount them with: mount -t cgroup2 none /mnt   or record with -p PID --follow",
        )
    path = _own() if name == "self" else name
    for folder in (unified.folder / path.lstrip("/"), Path(path)):
        if not folder.is_absolute() or not folder.is_dir():
            continue
        kind = _kind(folder, mounts)
        if kind == "cgroup":
            raise BpfrecError(f"--cgroup: {folder} is a cgroup of version 1, which BPF cannot tell threads by", _FIND)
        if kind == "cgroup2":
            return folder
    raise BpfrecError(f"--cgroup: there is no cgroup {name} in {unified.folder}", _FIND)


def threads_in(folder: Path) -> set[int]:
    """Returns the ids of the threads in the cgroup and in those below it."""
    found: set[int] = set()
    for file in folder.rglob("cgroup.threads"):
        # A cgroup that has just been removed has no threads.
        with suppress(OSError):
            found |= {int(line) for line in file.read_text().split()}
    return found


def _own() -> str:
    for line in _OWN.read_text().splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    raise BpfrecError("--cgroup self: bpfrec is in no cgroup of version 2", _FIND)


def _kind(folder: Path, mounts: list[_Mount]) -> str | None:
    device = folder.stat().st_dev
    return next((mount.kind for mount in mounts if mount.device == device), None)


def _mounts() -> Iterator[_Mount]:
    """Yields the mounts of cgroups, from the file that proc_pid_mountinfo(5) describes."""
    for line in _MOUNTINFO.read_bytes().splitlines():
        fields, _, rest = line.partition(b" - ")
        kind = rest.split(b" ", 1)[0].decode("ascii", "replace")
        if kind not in ("cgroup", "cgroup2"):
            continue
        _id, _parent, device, _root, folder = fields.split(b" ")[:5]
        major, minor = device.split(b":")
        place = re.sub(rb"\\(\d{3})", lambda match: bytes([int(match[1], 8)]), folder)
        yield _Mount(os.makedev(int(major), int(minor)), Path(os.fsdecode(place)), kind)
