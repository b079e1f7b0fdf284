"""Parts that outlive the process that made them: what is converted is saved, and its room in the spool given back.

So a long recording takes the room of its tables and not of its spools, and what is left of a killed one is converted
already. Each part is a few Parquet files and one file of JSON, which is written last.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.typed_json import from_json, to_json
from bpfrec.record.finish.call_parts import Converted, ExecArguments
from bpfrec.record.session.working_folder import saved_part_in, saved_parts_in

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Saved:
    """The JSON of a part; members as in :class:`.Converted`. ``end``: up to where the spool of calls is in it."""

    end: int
    references: str
    held: str
    arrays: str
    parts: dict[str, str]
    table_rows: dict[str, int]
    rows: int
    decoded: int
    undecoded: int
    unread_32_bit: int
    pids: list[int]
    tids: list[int]
    per_syscall: dict[str, int]
    arguments: list[ExecArguments]


@dataclass(frozen=True)
class SavedParts:
    """All that was saved, in order; ``end``: up to where the spool of calls is in it, in bytes."""

    parts: list[Converted]
    end: int

    @property
    def rows(self) -> int:
        """How many calls are in them."""
        return sum(part.rows for part in self.parts)


def save_part(folder: Path, made: Converted, number: int, end: int) -> None:
    """Has the disk keep ``made``, whose files are in ``folder``, as part ``number`` (from 0).

    ``end``: up to where the spool of calls is converted by now. When this returns, the spool is not needed up to there.
    Disk errors come as OSError.
    """
    arrays = folder / f"arrays.{number:06}.part"
    with arrays.open("xb") as file:
        for array in (_concatenated(made.told, wire.PROCESS), _concatenated(made.noted, None)):
            np.save(file, array, allow_pickle=False)
    saved = _Saved(
        end=end,
        references=made.references.name,
        held=made.held.name,
        arrays=arrays.name,
        parts={table: path.name for table, path in made.parts.items()},
        table_rows=made.table_rows,
        rows=made.rows,
        decoded=made.decoded,
        undecoded=made.undecoded,
        unread_32_bit=made.unread_32_bit,
        pids=sorted(made.pids),
        tids=sorted(made.tids),
        per_syscall=dict(made.per_syscall),
        arguments=made.arguments,
    )
    for path in (arrays, made.references, made.held, *made.parts.values()):
        _sync(path)
    named = saved_part_in(folder, number)
    waiting = named.with_suffix(".new")
    waiting.write_text(to_json(saved))
    _sync(waiting)
    waiting.rename(named)
    _sync(folder)


def saved_parts(folder: Path) -> SavedParts:
    """What is saved in ``folder``. A part that is damaged ends it.

    Disk errors come as OSError.
    """
    parts: list[Converted] = []
    end = 0
    for path in saved_parts_in(folder):
        try:
            saved = from_json(_Saved, path.read_bytes())
            parts.append(_converted(folder, saved))
        except ValueError as error:
            _log.info("%s is damaged: %s", path.name, error)
            break
        end = saved.end
    return SavedParts(parts, end)


def _converted(folder: Path, saved: _Saved) -> Converted:
    def named(name: str) -> Path:
        if "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} is no name of a part")
        return folder / name

    with named(saved.arrays).open("rb") as file:
        told, noted = (np.load(file, allow_pickle=False) for _ in range(2))
    if told.dtype != wire.PROCESS or (noted.size and (noted.dtype != np.int64 or noted.ndim != 2)):
        raise ValueError(f"{saved.arrays} holds something else")
    return Converted(
        references=named(saved.references),
        held=named(saved.held),
        parts={table: named(name) for table, name in saved.parts.items()},
        table_rows=saved.table_rows,
        rows=saved.rows,
        decoded=saved.decoded,
        undecoded=saved.undecoded,
        unread_32_bit=saved.unread_32_bit,
        pids=set(saved.pids),
        tids=set(saved.tids),
        per_syscall=Counter(saved.per_syscall),
        told=[told],
        noted=[noted] if noted.size else [],
        arguments=saved.arguments,
    )


def _concatenated(arrays: Sequence[NDArray[Any]], dtype: np.dtype[Any] | None) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype or np.int64)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
