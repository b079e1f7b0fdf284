"""Recordings that were never made: calls in a spool, and what the recorder would know of them."""

from __future__ import annotations

from pathlib import Path

from support import ring_bytes

from bpfrec.bpf.program import COUNTERS
from bpfrec.formats.manifest import Clock
from bpfrec.record.journal import begun_now
from bpfrec.record.request import Request
from bpfrec.record.session.recorded import Recorded
from bpfrec.record.session.spools import Spools
from bpfrec.record.session.tracker import ProcessTracker
from bpfrec.record.session.working_folder import SpoolKind

PID, OTHER = 100, 200


def recorded(spools: Spools, calls: list[bytes]) -> Recorded:
    """A recording of ``calls``, which were drained one by one."""
    for call in calls:
        spools.write(SpoolKind.CALLS, 0, [memoryview(ring_bytes.sample(call))])
    counters = dict.fromkeys((*COUNTERS, "missed_runs", "throttled_samples"), 0)
    return Recorded(
        clock=Clock(0, 0, 0),
        start_ns=900,
        stop_ns=5000,
        stopped="the time was up",
        is_cut=False,
        ended_early=[],
        counters=counters | {"sent_syscalls": len(calls)},
        lost_by_cpu=[0],
        lost_bursts=[],
        ring_cpus=frozenset({0}),
        in_progress_at_end=b"",
        in_progress_at_start=[],
        looked_ns=950,
        tracker=ProcessTracker({PID, OTHER}, follow=False),
        ring_bytes=1 << 18,
        spooled_bytes=spools.bytes_written(SpoolKind.CALLS),
        child=None,
        kernel_symbols=None,
        begun=begun_now(Request(), Path("trace.bpfrec")),
    )
