"""What a trace lacks, as rows of ``losses``: the kernel's counts, set against what was decoded."""

from __future__ import annotations

from typing import Any

from bpfrec.bpf.program import MAX_THREADS
from bpfrec.record.session import Recorded

LostNotice = tuple[int, int, int]
"""CPU, time in ns on CLOCK_MONOTONIC, and count of batches of one PERF_RECORD_LOST."""


def losses_of(recorded: Recorded, decoded: int, notices: list[LostNotice], sideband_lost: int) -> list[dict[str, Any]]:
    """Rows for ``losses``.

    Calls that found no room in a ring are counted by the BPF program, exactly and per CPU. The kernel's own notices
    in the ring count batches, and come when there is room again: they say since when.
    """
    counters = recorded.counters
    rows = _ring_losses(recorded, notices)
    not_spooled = counters["sent_syscalls"] - decoded
    narrower = "Record less: -p, -e or -x."
    for kind, severity, count, remedy in (
        ("spool-cut", "data_loss", not_spooled, "Make room on the disk that holds the trace, or name another with -o."),
        (
            "thread-table-full",
            "data_loss",
            counters["lost_threads"],
            f"There is room for {MAX_THREADS} threads. {narrower}",
        ),
        ("exit-missed", "data_loss", counters["lost_exits"], narrower),
        ("program-skipped", "data_loss", counters["missed_runs"], narrower),
        ("path-lost", "notice", counters["lost_data"], narrower),
        ("side-band-full", "notice", sideband_lost, "Names and mappings of some processes may be missing. " + narrower),
    ):
        if count > 0:
            rows.append(_row(kind, severity, None, None, count, remedy))
    return rows


def _ring_losses(recorded: Recorded, notices: list[LostNotice]) -> list[dict[str, Any]]:
    remedy = f"Record less: -p, -e, -x or --stacks off; each CPU's ring buffer held {recorded.ring_bytes >> 20} MiB."
    first = {cpu: when for cpu, when, _ in reversed(notices)}
    return [
        _row("ring-full", "data_loss", cpu, first.get(cpu), lost, remedy)
        for cpu, lost in enumerate(recorded.lost_by_cpu)
        if lost
    ]


def _row(kind: str, severity: str, cpu: int | None, when: int | None, count: int, remedy: str) -> dict[str, Any]:
    return {"kind": kind, "severity": severity, "cpu": cpu, "ts_ns": when, "count": count, "remedy": remedy}
