"""Channels: the rings of one kind, the spool they are drained into, and who else reads the bytes."""

from __future__ import annotations

import logging
import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bpfrec.bpf.event_rings import default_ring_size, open_event_rings
from bpfrec.bpf.perf_event import LockedMemoryError, Ring, online_cpus
from bpfrec.bpf.permission import locked_memory_refused, perf_refused
from bpfrec.bpf.program import RecorderProgram
from bpfrec.bpf.sampling import Sampling
from bpfrec.bpf.selection import Selection
from bpfrec.bpf.sideband import open_sideband_rings
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.working_folder import SpoolKind

_log = logging.getLogger(__name__)

_SIDE_BAND_BYTES = 1 << 20
_SNAPSHOT_BYTES = 1 << 25
# A new stack is to be learned soon: until then, each call with it sends a snapshot.
_SNAPSHOT_WATERMARK = 1 << 14
# Room for what a CPU that switches 100,000 times a second does in one.
_SCHED_BYTES = 1 << 24
# By --stacks. A sample without a copy of the stack has at most 2 KiB.
_SAMPLE_BYTES = {"full": 1 << 24, "fp": 1 << 21, "off": 1 << 18}

Consumer = Callable[[int, bytes], None]
"""Gets a CPU, and the whole perf records that were drained from its ring."""


class Channel:
    """``rings`` of one kind, one per CPU, which :meth:`drain` empties into the spool of ``kind``.

    ``consumer``: who gets a copy of what is drained, before it is spooled.
    """

    def __init__(self, kind: SpoolKind, rings: list[Ring], spools: Spools) -> None:
        self.kind, self.rings = kind, rings
        self.consumer: Consumer | None = None
        self._spools = spools
        self._fullest = 0

    def drain(self) -> None:
        """Moves what the rings hold to the spool, and tells the consumer.

        Raises:
            BpfrecError: writing failed, and not for lack of room.
        """
        if self.consumer is not None:
            self.keep(self.take())
            return
        for ring, head, slices in self._pending():
            self._spools.write(self.kind, ring.cpu, slices)
            ring.release(head)

    def take(self) -> list[tuple[int, bytes]]:
        """Takes what the rings hold, by CPU, and tells the consumer. It is still to be spooled: :meth:`keep`."""
        taken = []
        for ring, head, slices in self._pending():
            data = b"".join(slices)
            ring.release(head)
            taken.append((ring.cpu, data))
            if self.consumer is not None:
                self.consumer(ring.cpu, data)
        return taken

    def keep(self, taken: Iterable[tuple[int, bytes]]) -> None:
        """Spools what :meth:`take` gave. Errors as :meth:`drain`."""
        for cpu, data in taken:
            self._spools.write(self.kind, cpu, [memoryview(data)])

    def _pending(self) -> Iterator[tuple[Ring, int, list[memoryview]]]:
        for ring in self.rings:
            head, slices = ring.pending()
            if slices:
                self._fullest = max(self._fullest, sum(map(len, slices)))
                yield ring, head, slices

    @property
    def cpus(self) -> frozenset[int]:
        """The CPUs that have a ring."""
        return frozenset(ring.cpu for ring in self.rings)

    @property
    def level(self) -> str:
        """How full a ring was at most when it was drained, for a log."""
        return f"{self.kind} {self._fullest / self.rings[0].size:.1%} of {self.rings[0].size} bytes"

    def close(self) -> None:
        """Unmaps the rings."""
        for ring in self.rings:
            ring.close()


@dataclass
class Channels:
    """The channels of one recording; None: not asked for. ``sampling``: the timers that fill ``samples``."""

    side_band: Channel
    calls: Channel
    snapshots: Channel | None = None
    samples: Channel | None = None
    sched: Channel | None = None
    sampling: Sampling | None = None

    def __iter__(self) -> Iterator[Channel]:
        return (c for c in (self.calls, self.snapshots, self.samples, self.sched, self.side_band) if c is not None)

    def rings(self) -> Iterator[Ring]:
        """All rings."""
        return (ring for channel in self for ring in channel.rings)

    def start_sampling(self) -> None:
        """Starts the timers, where there are any."""
        if self.sampling is not None:
            self.sampling.start()

    def stop_sampling(self) -> None:
        """Stops the timers."""
        if self.sampling is not None:
            self.sampling.stop()

    def throttled_samples(self) -> int:
        """How often the kernel stopped a timer for a while, since this was last asked."""
        return self.sampling.throttled() if self.sampling is not None else 0

    def levels(self) -> str:
        """How full the fullest ring of each kind was so far, for a log."""
        return ", ".join(channel.level for channel in self)

    def close(self) -> None:
        """Stops the timers for good and unmaps the rings."""
        if self.sampling is not None:
            self.sampling.close()
        _log.debug("rings at most %s full", self.levels())
        for channel in self:
            channel.close()


def open_channels(program: RecorderProgram, selection: Selection, size: int | None, spools: Spools) -> Channels:
    """Opens the side band, whose events count from here on, and the rings that ``program`` sends to for ``selection``.

    ``size``: of a ring for calls in bytes, a power of two; None: by the memory there is.

    Raises:
        BpfrecError: the kernel refuses, or there is no memory for the rings.
    """
    cpus = online_cpus()
    default = default_ring_size(len(cpus))
    sizes = _ring_sizes(selection, size or default, default)
    opened: list[Channel] = []

    def channel(kind: SpoolKind, rings: list[Ring]) -> Channel:
        opened.append(Channel(kind, rings, spools))
        return opened[-1]

    try:
        channels = Channels(
            side_band=channel(SpoolKind.SIDE_BAND, open_sideband_rings(cpus, sizes[SpoolKind.SIDE_BAND])),
            calls=channel(SpoolKind.CALLS, open_event_rings(cpus, sizes[SpoolKind.CALLS])),
        )
        program.connect(channels.calls.rings)
        if SpoolKind.SNAPSHOTS in sizes:
            rings = open_event_rings(cpus, sizes[SpoolKind.SNAPSHOTS], _SNAPSHOT_WATERMARK)
            channels.snapshots = channel(SpoolKind.SNAPSHOTS, rings)
        if SpoolKind.SAMPLES in sizes:
            rings = open_event_rings(cpus, sizes[SpoolKind.SAMPLES])
            channels.samples = channel(SpoolKind.SAMPLES, rings)
            channels.sampling = Sampling(cpus, selection.profile, program.sampling(rings))
        if SpoolKind.SCHED in sizes:
            rings = open_event_rings(cpus, sizes[SpoolKind.SCHED])
            channels.sched = channel(SpoolKind.SCHED, rings)
            program.connect_switches(rings)
    except BaseException as error:
        for each in opened:
            each.close()
        if isinstance(error, LockedMemoryError):
            raise locked_memory_refused(sum(bytes_ + mmap.PAGESIZE for bytes_ in sizes.values())) from None
        if isinstance(error, OSError):
            raise perf_refused(error) from None
        raise
    return channels


def _ring_sizes(selection: Selection, calls: int, default: int) -> dict[SpoolKind, int]:
    """Bytes of one CPU's ring of each kind that ``selection`` needs."""
    sizes = {SpoolKind.SIDE_BAND: _SIDE_BAND_BYTES, SpoolKind.CALLS: calls}
    if selection.has_full_stacks:
        sizes[SpoolKind.SNAPSHOTS] = min(_SNAPSHOT_BYTES, default)
    if selection.profile:
        sizes[SpoolKind.SAMPLES] = min(_SAMPLE_BYTES[selection.stacks], default)
    if selection.sched:
        sizes[SpoolKind.SCHED] = min(_SCHED_BYTES, default)
    return sizes
