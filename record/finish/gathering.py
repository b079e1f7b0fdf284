"""Makes one set of spools of those of several legs, the last part of a recording."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bpfrec.record.session.output import Output
from bpfrec.record.session.working_folder import SpoolKind, spool_in
from bpfrec.record.spool import give_back

_BLOCK = 1 << 22
_JOINED = (SpoolKind.SIDE_BAND, SpoolKind.SNAPSHOTS, SpoolKind.SAMPLES, SpoolKind.SCHED, SpoolKind.LEARNED)


def gather_legs(output: Output, folder: Path, legs: Sequence[int], *, consume: bool) -> list[Path]:
    """Makes ``output`` read the spools of ``legs``, numbers in order, which are in ``folder``.

    Calls are most of the bytes. They stay where they are: those of the first leg are the output's, and the others are
    returned. The spools of other kinds are joined in the folder of the output. ``consume``: the room of what is joined
    is given back meanwhile, where the file system can. Disk errors come as OSError.
    """
    output.gathered[SpoolKind.CALLS], *more = (spool_in(folder, SpoolKind.CALLS, leg) for leg in legs)
    for kind in _JOINED:
        spools = [spool_in(folder, kind, leg) for leg in legs]
        output.gathered[kind] = (
            spools[0] if len(spools) == 1 else _joined(output.folder / f"{kind}.joined", spools, consume)
        )
    return more


def copy_start(source: Path, target: Path, size: int) -> None:
    """Copies the first ``size`` bytes of ``source`` to the new file ``target``. Disk errors come as OSError."""
    with target.open("xb", buffering=0) as made:
        _append(made.fileno(), source, size, consume=False)


def _joined(target: Path, spools: Sequence[Path], consume: bool) -> Path:
    with target.open("xb", buffering=0) as made:
        for spool in spools:
            _append(made.fileno(), spool, spool.stat().st_size, consume=consume)
    return target


def _append(target: int, source: Path, size: int, *, consume: bool) -> None:
    with source.open("rb", buffering=0) as file:
        left = size
        while left and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]
            if consume:
                give_back(source, size - left)
