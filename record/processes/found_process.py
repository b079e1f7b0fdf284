"""A process as it was found in /proc when recording began."""

from __future__ import annotations

from dataclasses import dataclass

from bpfrec.record.processes.procfs import MapsLine, ProcessStatus


@dataclass(frozen=True)
class FoundProcess:
    """What /proc said of a process: ``names`` of its threads by tid, those that had ``ended``, its executable ``maps``.

    ``exe`` and ``cmdline`` are None where they could not be read.
    """

    status: ProcessStatus
    names: dict[int, str]
    ended: set[int]
    maps: list[MapsLine]
    exe: str | None
    cmdline: str | None
    pid_namespace: int | None


@dataclass(frozen=True)
class StartedProgram:
    """The program that ``pid`` executed at ``time`` (ns on CLOCK_MONOTONIC), as /proc said soon after."""

    pid: int
    time: int
    exe: str | None
    cmdline: str | None
