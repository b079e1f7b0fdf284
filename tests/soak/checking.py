"""What the rounds of the soak check with."""

from __future__ import annotations

import os
from pathlib import Path

PATIENCE = 300
"""Seconds after which something hangs."""


class SoakError(Exception):
    """Something is not as it must be."""


def check(holds: bool, what: str) -> None:
    """Raises unless ``holds``."""
    if not holds:
        raise SoakError(what)


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


def name_of(pid: int) -> str:
    """The name of a process; empty where it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
