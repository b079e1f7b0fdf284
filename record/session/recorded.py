"""A recording that has stopped, and how far one is that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bpfrec.bpf.program import LostBurst
from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import Begun
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.stacks.kernel_symbols import KernelSymbols


@dataclass(frozen=True)
class Progress:
    """How far a recording is: seconds since its start, calls sent and lost, bytes spooled."""

    seconds: float
    calls: int
    lost: int
    bytes: int


class CommandEnd(Protocol):
    """How the recorded command ended; members as those of :class:`.Child`."""

    @property
    def pid(self) -> int:
        """Its process."""

    @property
    def argv(self) -> Sequence[str]:
        """Its name and arguments."""

    @property
    def exit_code(self) -> int:
        """Its exit status as a shell gives it; 0 while it runs."""

    @property
    def outcome(self) -> str:
        """How it ended, as the end of a sentence."""


@dataclass
class Recorded:
    """A recording that has stopped: what finishing needs beside the spools. Times in ns on CLOCK_MONOTONIC.

    ``stopped``: why. ``is_cut``: the disk took no more. ``ended_early``: chosen processes and threads that ended
    before the first call could be recorded. ``counters``: by name, see :data:`bpfrec.bpf.program.COUNTERS`.
    ``lost_by_cpu``: calls that found no room in the ring of each possible CPU. ``ring_cpus``: the CPUs that had rings
    and were online all the time. ``in_progress_at_end``: the calls that threads were in, as perf samples;
    ``in_progress_at_start``: the same, as far as they were found until ``looked_ns``. ``tracker``: what is known of
    processes. ``ring_bytes``: of a ring for calls. ``spooled_bytes``: of calls. ``child``: how the recorded command
    ended; None: there was none. ``kernel_symbols``: as of the end, for samples; None: there are no kernel stacks.
    ``begun``: by whom and how it was begun. ``is_unfinished``: the recorder was killed, and what it lost is not known.
    ``is_limited``: a limit of size or time was reached, and the command goes on.
    ``more_calls``: spools of calls beside that of the output. ``legs``: the numbers of the legs whose spools are those
    of the trace, the oldest first; empty: there is one set of spools. ``keeps_spools``: they are needed by others, too.
    ``recording_start_ns``: when the recording began of which this is the last part; None: this is all of it.
    ``follows_uring``: descriptors that io_uring closed are known. ``has_requests``: what was asked of io_uring is.
    """

    clock: Clock
    start_ns: int
    stop_ns: int
    stopped: str
    is_cut: bool
    ended_early: list[int]
    counters: dict[str, int]
    lost_by_cpu: list[int]
    lost_bursts: list[LostBurst]
    ring_cpus: frozenset[int]
    in_progress_at_end: bytes
    in_progress_at_start: list[CallInProgress]
    looked_ns: int
    tracker: ProcessTracker
    ring_bytes: int
    spooled_bytes: int
    child: CommandEnd | None
    kernel_symbols: KernelSymbols | None
    begun: Begun
    more_calls: Sequence[Path] = ()
    is_unfinished: bool = False
    is_limited: bool = False
    follows_uring: bool = False
    has_requests: bool = False
    legs: Sequence[int] = ()
    keeps_spools: bool = False
    recording_start_ns: int | None = None
