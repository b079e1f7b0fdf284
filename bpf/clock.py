"""The clock of the kernel's time stamps: CLOCK_MONOTONIC of the initial time namespace."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

_SELF = Path("/proc/self")


def monotonic_ns() -> int:
    """Returns the time in ns on the clock that BPF programs and perf use.

    It is not time.monotonic_ns() where bpfrec runs in a time namespace of its own: time_namespaces(7).
    """
    return time.monotonic_ns() - _offset_ns()


@cache
def _offset_ns() -> int:
    """What CLOCK_MONOTONIC of our time namespace is ahead of the kernel's."""
    try:
        # The file has the offsets of the namespace that children will be in.
        if (_SELF / "ns/time").readlink() != (_SELF / "ns/time_for_children").readlink():
            return 0
        lines = (_SELF / "timens_offsets").read_text().splitlines()
    except OSError:
        # A kernel without time namespaces.
        return 0
    for line in lines:
        clock, seconds, nanoseconds = line.split()
        if clock == "monotonic":
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0
