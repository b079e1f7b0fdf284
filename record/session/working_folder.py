"""The files in a working folder: their names, and what they take of the disk."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from bpfrec.record.confinement.identity import PRIVATE_GROUPS

RESERVE = "reserve"
"""The file that keeps some room on the disk for the end."""

_PART, _SPOOL = ".part", ".spool"
_SAVED, _SAVED_END = "converted.", ".json"
# Of st_blocks: see stat(2).
_BLOCK = 512


class SpoolKind(StrEnum):
    """The spools of a recording: what five kinds of rings held, what the learner told the BPF program, the journal."""

    CALLS = "calls"
    SIDE_BAND = "sideband"
    SNAPSHOTS = "snapshots"
    SAMPLES = "samples"
    SCHED = "sched"
    LEARNED = "learned"
    JOURNAL = "journal"


def is_private(found: os.stat_result) -> bool:
    """Whether nobody but its owner, and the helpers of a recorder, can write to a file or folder."""
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return not shared or (shared == stat.S_IWGRP and found.st_gid in PRIVATE_GROUPS)


def give_to_group(descriptor: int, group: int, mode: int) -> None:
    """Gives an open file or folder to ``group``, with ``mode``.

    Raises:
        OSError: its file system has no groups.
    """
    os.fchown(descriptor, -1, group)
    if os.fstat(descriptor).st_gid != group:
        raise OSError(errno.ENOTSUP, "files have no groups there")
    os.fchmod(descriptor, mode)


def spool_in(folder: Path, kind: SpoolKind, leg: int = 0) -> Path:
    """The spool of ``kind`` in a working folder; ``leg``: the number of the leg that it is of."""
    return folder / (f"{kind}.{leg:06}{_SPOOL}" if leg else f"{kind}{_SPOOL}")


def legs_in(folder: Path) -> list[int]:
    """The numbers of the legs that have a journal in a working folder, the oldest first."""
    first = [0] if spool_in(folder, SpoolKind.JOURNAL).exists() else []
    later = [_LEG_JOURNAL.fullmatch(path.name) for path in folder.glob(f"{SpoolKind.JOURNAL}.*{_SPOOL}")]
    return first + sorted(int(found[1]) for found in later if found is not None)


_LEG_JOURNAL = re.compile(rf"{SpoolKind.JOURNAL}\.(\d{{6}})\{_SPOOL}")


def saved_part_in(folder: Path, number: int) -> Path:
    """The file that says that part ``number`` (from 0) is saved, and what is in it."""
    return folder / f"{_SAVED}{number:06}{_SAVED_END}"


def saved_parts_in(folder: Path) -> list[Path]:
    """The files of :func:`saved_part_in` that there are, in order."""
    return sorted(folder.glob(f"{_SAVED}*{_SAVED_END}"))


def unneeded(names: Iterable[str]) -> list[str]:
    """Those of ``names``, files in a working folder, that ``bpfrec recover`` makes no use of."""
    names = list(names)
    # Where parts were saved, their spools are not whole any more.
    has_parts = any(name.startswith(_SAVED) and name.endswith(_SAVED_END) for name in names)
    needed = (_SPOOL, _PART, _SAVED_END) if has_parts else _SPOOL
    return [name for name in names if not name.endswith(needed)]


def bytes_on_disk(files: Iterable[Path]) -> int:
    """How many bytes of the disk ``files`` take together; one that is renamed or removed meanwhile takes none."""
    total = 0
    for file in files:
        with suppress(OSError):
            total += file.stat().st_blocks * _BLOCK
    return total
