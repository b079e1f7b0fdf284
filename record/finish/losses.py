"""What a trace lacks, as rows of ``losses``: what was counted, and the kinds of loss in ``losses.tsv``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bpfrec.bpf.defines import MAX_THREADS
from bpfrec.bpf.perf_event import size_text
from bpfrec.bpf.program import LostBurst
from bpfrec.formats.kernel.fact_tables import tsv_rows
from bpfrec.record.finish.remedies import remedy_text
from bpfrec.record.options.ring_size import as_option
from bpfrec.record.request import Request
from bpfrec.record.session.recorded import Recorded

RING_FULL, NO_RING = "ring-full", "cpu-came-online"
"""The kinds of loss that are told by CPU, thread and time; both are data_loss."""

# Losses less than this apart (ns) are one burst for whoever asks what would have held it.
_PAUSE = 1_000_000_000
_RINGS_MEMORY_SHARE = 4
# Bytes of a call without arguments.
_LEAST_BYTES = 48.0


@dataclass(frozen=True)
class LossKind:
    """A row of ``losses.tsv``."""

    kind: str
    severity: str
    counter: str
    meaning: str
    remedies: tuple[str, ...]


@cache
def loss_kinds() -> tuple[LossKind, ...]:
    """The kinds of loss that are counted by one counter each."""
    return tuple(
        LossKind(kind, severity, counter, meaning, () if remedies == "-" else tuple(remedies.split()))
        for kind, severity, counter, meaning, remedies in tsv_rows("losses.tsv", Path(__file__).parent)
    )


def losses_of(recorded: Recorded, request: Request, counters: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows for ``losses``.

    ``counters``: those of the BPF program, and what else :func:`loss_kinds` name; one that is not there counts as 0.
    """
    return [*_ring_losses(recorded, request), *_counted_losses(request, counters)]


def _counted_losses(request: Request, counters: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for kind in loss_kinds():
        count = counters.get(kind.counter, 0)
        if count > 0:
            meaning = kind.meaning.format(MAX_THREADS=MAX_THREADS)
            remedy = f"{meaning} {remedy_text(kind.remedies, request)}".strip()
            yield {"kind": kind.kind, "severity": kind.severity, "count": count, "remedy": remedy}


def _ring_losses(recorded: Recorded, request: Request) -> list[dict[str, Any]]:
    """Calls that found no room in a ring.

    The BPF program counts them exactly: per CPU, burst and thread, and by CPU alone once it has no room for more
    accounts.
    """
    if not any(recorded.lost_by_cpu):
        return []
    full = {"kind": RING_FULL, "severity": "data_loss", "remedy": _remedy(recorded, request)}
    none = {"kind": NO_RING, "severity": "data_loss", "remedy": _WITHOUT_RING}
    rows = [
        (full if burst.cpu in recorded.ring_cpus else none)
        | {
            "cpu": burst.cpu,
            "ts_ns": burst.first,
            "until_ns": burst.last,
            "pid": burst.pid,
            "tid": burst.tid,
            "count": burst.count,
        }
        for burst in recorded.lost_bursts
    ]
    told = Counter[int]()
    for burst in recorded.lost_bursts:
        told[burst.cpu] += burst.count
    rows += [
        (full if cpu in recorded.ring_cpus else none) | {"cpu": cpu, "count": lost - told[cpu]}
        for cpu, lost in enumerate(recorded.lost_by_cpu)
        if lost > told[cpu]
    ]
    return rows


_WITHOUT_RING = (
    "The CPU came online, or back online, while the recording went on, and had no ring buffer. Keep the CPUs online "
    "meanwhile: lscpu --extended shows them."
)


def _remedy(recorded: Recorded, request: Request) -> str:
    """The buffer that would have held the longest burst, as far as a machine has memory for it."""
    held = recorded.ring_bytes
    longest = _longest_burst(burst for burst in recorded.lost_bursts if burst.cpu in recorded.ring_cpus)
    sent = max(recorded.counters["sent_syscalls"], 1)
    bytes_per_call = max(recorded.spooled_bytes / sent, _LEAST_BYTES)
    needed = max(2 * held, _power_of_two(held + int(longest * bytes_per_call)))
    less = remedy_text(("processes", "calls", "failed", "stack-on"), request)
    said = f"Each CPU's ring buffer held {size_text(held)}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed * len(recorded.ring_cpus) > memory // _RINGS_MEMORY_SHARE:
        return f"{said}, and none that fits in memory would have been enough. {less}".strip()
    return f"{said}: --buffer {as_option(needed)} would have been enough. {less}".strip()


def _longest_burst(bursts: Iterable[LostBurst]) -> int:
    """The most calls that one CPU lost in a stretch without a second's pause."""
    most: Counter[int] = Counter()
    current: Counter[int] = Counter()
    last: dict[int, int] = {}
    for burst in bursts:
        if burst.first - last.get(burst.cpu, burst.first) > _PAUSE:
            current[burst.cpu] = 0
        current[burst.cpu] += burst.count
        last[burst.cpu] = max(burst.last, last.get(burst.cpu, 0))
        most[burst.cpu] = max(most[burst.cpu], current[burst.cpu])
    return max(most.values(), default=0)


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
