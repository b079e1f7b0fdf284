"""What a trace lacks, as rows of ``losses``: the kernel's counts, set against what was decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from bpfrec.bpf.defines import MAX_THREADS
from bpfrec.bpf.perf_event import size_text
from bpfrec.bpf.program import LostRun
from bpfrec.record.options.ring_size import as_option
from bpfrec.record.session.recorded import Recorded

_NARROWER = "Record less: -p, -e or -x."
_RARER = "Sample less often, with --profile, or less of each: --stacks fp."
# Losses less than this apart are one burst for whoever asks what would have held it.
_APART = 1_000_000_000
_RINGS_MEMORY_SHARE = 4


def losses_of(recorded: Recorded, decoded: int, samples: int, sideband_lost: int) -> list[dict[str, Any]]:
    """Rows for ``losses``.

    Calls that found no room in a ring are counted by the BPF program, exactly: per CPU, burst and thread, and by CPU
    alone once it has no room for more accounts. ``decoded``, ``samples``: calls and samples found in what was sent.
    """
    counters = recorded.counters
    rows = _ring_losses(recorded)
    not_spooled = counters["sent_syscalls"] - decoded
    lost_samples = counters["lost_samples"] + counters["sent_samples"] - samples
    for kind, severity, count, remedy in (
        ("spool-cut", "data_loss", not_spooled, "Make room on the disk that holds the trace, or name another with -o."),
        (
            "thread-table-full",
            "data_loss",
            counters["lost_threads"],
            f"There is room for {MAX_THREADS} threads. {_NARROWER}",
        ),
        ("exit-missed", "data_loss", counters["lost_exits"], _NARROWER),
        ("program-skipped", "data_loss", counters["missed_runs"], _NARROWER),
        ("path-lost", "notice", counters["lost_data"], _NARROWER),
        (
            "stacks-capped",
            "notice",
            counters["capped_stacks"],
            "Stacks of calls that came too fast to be kept: stack_status says which. Have fewer: --stack-on failed",
        ),
        (
            "stacks-lost",
            "notice",
            counters["lost_stacks"],
            "There was no room for the stacks of some calls. " + _NARROWER,
        ),
        ("samples-lost", "notice", lost_samples, f"There was no room for some samples. {_RARER}"),
        (
            "samples-capped",
            "notice",
            counters["capped_samples"],
            f"Samples whose user stacks would have been too much to copy: stack_status says which. {_RARER}",
        ),
        (
            "samples-throttled",
            "notice",
            counters["throttled_samples"],
            f"Times that the kernel stopped sampling for a while. {_RARER}",
        ),
        (
            "process-end-lost",
            "notice",
            counters["lost_processes"],
            "How that many processes ended, or their ids in pid namespaces, is not known. " + _NARROWER,
        ),
        (
            "side-band-full",
            "notice",
            sideband_lost,
            "Names and mappings of some processes may be missing. " + _NARROWER,
        ),
    ):
        if count > 0:
            rows.append({"kind": kind, "severity": severity, "count": count, "remedy": remedy})
    return rows


def symbol_losses(unread_lines: int, unread_symbols: int, cut_maps: int) -> list[dict[str, Any]]:
    """Rows for what frames lack.

    ``unread_lines``: addresses whose source lines would have taken too long to find; ``unread_symbols``: files whose
    symbol tables found no room; ``cut_maps``: perf maps that were too long.
    """
    lines = "Source lines of that many addresses would have taken too long to find. Ask with: analyze --symbols DIR"
    maps = "Perf maps too long to be read to their ends: JIT code may lack names, or have older ones."
    symbols = "Files executed whose symbol tables are absurdly large, or too many. Ask with: analyze --symbols DIR"
    kinds = (
        ("lines-unread", unread_lines, lines),
        ("symbols-unread", unread_symbols, symbols),
        ("perf-map-cut", cut_maps, maps),
    )
    return [
        {"kind": kind, "severity": "notice", "count": count, "remedy": remedy} for kind, count, remedy in kinds if count
    ]


def binary_losses(left_out: int) -> list[dict[str, Any]]:
    """Rows for files that --save-binaries could not save."""
    remedy = "Files that were executed are not saved: SELECT path, size, status FROM binaries WHERE status IS NOT NULL"
    return [{"kind": "binaries-left-out", "severity": "notice", "count": left_out, "remedy": remedy}][: left_out > 0]


def _ring_losses(recorded: Recorded) -> list[dict[str, Any]]:
    if not any(recorded.lost_by_cpu):
        return []
    ring_full = {"kind": "ring-full", "severity": "data_loss", "remedy": _remedy(recorded)}
    rows = [
        ring_full
        | {
            "cpu": run.cpu,
            "ts_ns": run.first,
            "until_ns": run.last,
            "pid": run.pid,
            "tid": run.tid,
            "count": run.count,
        }
        for run in recorded.lost_runs
    ]
    told = Counter[int]()
    for run in recorded.lost_runs:
        told[run.cpu] += run.count
    rows += [
        ring_full | {"cpu": cpu, "count": lost - told[cpu]}
        for cpu, lost in enumerate(recorded.lost_by_cpu)
        if lost > told[cpu]
    ]
    return rows


def _remedy(recorded: Recorded) -> str:
    """The buffer that would have held the longest burst, as far as a machine has memory for it."""
    held = recorded.ring_bytes
    longest = _longest_burst(recorded.lost_runs)
    sent = max(recorded.counters["sent_syscalls"], 1)
    bytes_per_call = max(recorded.spooled_bytes / sent, 48.0)
    needed = max(2 * held, _power_of_two(held + int(longest * bytes_per_call)))
    less = "record less: -p, -e, -x or --stacks off"
    said = f"Each CPU's ring buffer held {size_text(held)}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed * len(recorded.lost_by_cpu) > memory // _RINGS_MEMORY_SHARE:
        return f"{said}, and none that fits in memory would have been enough: {less}."
    return f"{said}: --buffer {as_option(needed)} would have been enough; or {less}."


def _longest_burst(runs: Iterable[LostRun]) -> int:
    """The most calls that one CPU lost in a stretch without a second's pause."""
    most: Counter[int] = Counter()
    current: Counter[int] = Counter()
    last: dict[int, int] = {}
    for run in runs:
        if run.first - last.get(run.cpu, run.first) > _APART:
            current[run.cpu] = 0
        current[run.cpu] += run.count
        last[run.cpu] = max(run.last, last.get(run.cpu, 0))
        most[run.cpu] = max(most[run.cpu], current[run.cpu])
    return max(most.values(), default=0)


def _power_of_two(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
