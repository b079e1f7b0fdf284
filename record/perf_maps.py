"""The perf-PID.map files of recorded processes, held open so that they can be read after the process has gone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from bpfrec.formats.files import open_regular
from bpfrec.formats.perf_map import JitSymbol, symbols_for
from bpfrec.record.procfs import PROC, status


class PerfMaps:
    """Open maps by pid. A runtime writes to /tmp of its own mount namespace, under its own namespace's pid."""

    def __init__(self) -> None:
        self._files: dict[int, BinaryIO] = {}
        self._names: dict[int, str] = {}

    def look_for(self, pids: Iterable[int]) -> None:
        """Opens the maps that exist by now of those of ``pids`` that have none open."""
        for pid in pids:
            if pid not in self._files:
                self._open(pid)

    def name(self, pid: int) -> str | None:
        """``perf-N.map`` of ``pid``, None where none was found."""
        return self._names.get(pid)

    def symbols(self, pid: int, addresses: Iterable[int]) -> dict[int, JitSymbol]:
        """The entries for ``addresses`` in the map of ``pid``."""
        file = self._files.get(pid)
        if file is None:
            return {}
        try:
            file.seek(0)
            return symbols_for(file, addresses)
        except OSError:
            return {}

    def close(self) -> None:
        """Closes all maps."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _open(self, pid: int) -> None:
        known = status(pid)
        if known is None:
            return
        name = f"perf-{known.namespace_pid}.map"
        path: Path = PROC / str(pid) / "root" / "tmp" / name
        file = open_regular(path)
        if file is None:
            return
        self._files[pid] = file
        self._names[pid] = name
