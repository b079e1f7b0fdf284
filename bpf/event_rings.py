"""The rings that the BPF program sends its records through: one per CPU."""

from __future__ import annotations

import os

from bpfrec.bpf.perf_event import (
    FLAG_WATERMARK,
    PERF_COUNT_SW_BPF_OUTPUT,
    PERF_SAMPLE_RAW,
    PERF_TYPE_SOFTWARE,
    PerfEventAttr,
    Ring,
    open_on_cpu,
)

SMALLEST_RING = 1 << 18
"""Bytes of the smallest ring: room for a few of the largest samples."""

# Room for what one thread can do in a second: about 1.5 million calls of 72 bytes.
_LARGEST_DEFAULT = 1 << 27
_MEMORY_SHARE = 64
_WATERMARK_AT_MOST = 1 << 28


def default_ring_size(cpus: int) -> int:
    """Bytes of one CPU's ring, a power of two: at most 128 MiB, and all rings at most 1/64 of the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share = memory // _MEMORY_SHARE // cpus
    return max(SMALLEST_RING, min(_LARGEST_DEFAULT, 1 << (share.bit_length() - 1)))


def open_event_rings(cpus: list[int], size: int, watermark: int | None = None) -> list[Ring]:
    """A ring of ``size`` bytes for each of ``cpus``; it wakes its reader at ``watermark`` bytes (None: a quarter).

    Raises:
        OSError: perf_event_open failed.
        BpfrecError: no memory for a ring.
    """
    rings: list[Ring] = []
    try:
        for cpu in cpus:
            attr = PerfEventAttr(
                type=PERF_TYPE_SOFTWARE,
                config=PERF_COUNT_SW_BPF_OUTPUT,
                sample_type=PERF_SAMPLE_RAW,
                sample_period=1,
                flags=FLAG_WATERMARK,
                wakeup_watermark=watermark or min(size // 4, _WATERMARK_AT_MOST),
            )
            rings.append(Ring(open_on_cpu(attr, cpu), cpu, size))
    except BaseException:
        for ring in rings:
            ring.close()
        raise
    return rings
