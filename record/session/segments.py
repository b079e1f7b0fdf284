"""Keeps the journal of a recording, and cuts it into segments: from then on, what was spooled survives the recorder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.program import RecorderProgram
from bpfrec.record.journal import (
    Attached,
    Ended,
    Journal,
    Looked,
    Mark,
    Ready,
    SocketNames,
    Unsent,
    begun_now,
)
from bpfrec.record.processes.calls_in_progress import CallInProgress
from bpfrec.record.processes.descriptors import DescriptorSnapshot
from bpfrec.record.request import Request
from bpfrec.record.session.output import Output
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind

# Seconds between two marks, and between two times at which the disk is asked to keep all that is there.
_MARK_SECONDS = 1.0
_SYNC_SECONDS = 5.0


class Segments:
    """Writes the journal into ``spools``: first what the recording is, then a mark at the end of each segment.

    ``told`` gets each mark when it is written. ``begun``: the first entry.
    """

    def __init__(
        self, request: Request, output: Output, spools: Spools, told: Callable[[Mark], None] | None = None
    ) -> None:
        self._spools, self._told = spools, told
        self._next_mark = self._next_sync = 0.0
        self._unsent: dict[int, bytes] = {}
        self.journal = Journal(lambda line: spools.append(SpoolKind.JOURNAL, line))
        self.begun = begun_now(request, output.absolute_target)
        self.journal.write(self.begun)

    def begin_leg(self) -> None:
        """Begins the journal of another leg, whose spools are empty."""
        self._unsent.clear()
        self.journal.write(self.begun)

    def attached(self, entry: Attached, in_progress: list[CallInProgress], looked_ns: int) -> None:
        """Notes that calls are recorded from now on, and which were in progress."""
        self._next_mark = time.monotonic() + _MARK_SECONDS
        self.journal.write(entry)
        self.journal.write(Looked(in_progress, looked_ns))

    def note_descriptors(self, snapshot: DescriptorSnapshot) -> None:
        """Notes what processes had open when recording began."""
        for files in snapshot.by_pid.values():
            self.journal.write(files)
        for thread in snapshot.apart:
            self.journal.write(thread)
        for network, names in snapshot.names.items():
            self.journal.write(SocketNames(network, names))
        self.journal.write(Ready(monotonic_ns()))
        self.sync()

    def due(self, program: RecorderProgram) -> Mark | None:
        """What a mark has to say, if it is time for one; to be given to :meth:`close` after the next drain."""
        now = time.monotonic()
        if now < self._next_mark:
            return None
        self._next_mark = now + _MARK_SECONDS
        return mark_of(program)

    def close(self, mark: Mark, unsent: Iterable[tuple[int, bytes, int]] = ()) -> None:
        """Ends a segment with ``mark``: all calls that it counts are spooled.

        ``unsent``: batches that the BPF program has not sent yet, as CPU, perf sample, number of calls.
        """
        now_unsent = dict.fromkeys(self._unsent, b"") | {cpu: sample for cpu, sample, _calls in unsent}
        for cpu, sample in now_unsent.items():
            if self._unsent.get(cpu) != sample:
                self.journal.write(Unsent(cpu, sample.hex()))
        self._unsent = now_unsent
        mark = replace(mark, bytes=self._spools.sizes)
        self.journal.write(mark)
        if self._told is not None:
            self._told(mark)
        now = time.monotonic()
        if now >= self._next_sync:
            self._next_sync = now + _SYNC_SECONDS
            self.sync()

    def ended(self, mark: Mark, entry: Ended) -> None:
        """Notes that recording has stopped and all is spooled."""
        self.close(mark)
        self.journal.write(entry)

    def sync(self) -> None:
        """Has the disk keep what is spooled, without waiting for it."""
        self._spools.sync()


def mark_of(program: RecorderProgram) -> Mark:
    """The counters of ``program`` as they are now."""
    return Mark(monotonic_ns(), {}, program.counters(), program.lost_syscalls_by_cpu())
