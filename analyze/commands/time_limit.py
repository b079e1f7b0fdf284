"""A bound for the CPU time of `bpfrec analyze`: a crafted trace makes it fail, and not run for days."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from bpfrec.formats.errors import BpfrecError
from bpfrec.formats.units import whole_number

try:
    import resource
except ImportError:  # Windows has none
    resource = None  # type: ignore[assignment]

VARIABLE = "BPFREC_TIME_LIMIT"
SECONDS = 3600
"""The CPU time that all threads together may take unless the variable says otherwise."""

_arrived: list[int] = []


@contextmanager
def bounded_time() -> Iterator[None]:
    """Lets what is inside take ``BPFREC_TIME_LIMIT`` seconds of CPU time, then raises BpfrecError in it.

    Raises:
        BpfrecError: the variable is no number of seconds.
    """
    seconds = _seconds()
    if resource is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before, handler = resource.getrlimit(resource.RLIMIT_CPU), signal.getsignal(signal.SIGXCPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    bound = int(used.ru_utime + used.ru_stime) + 1 + seconds
    if before[0] != resource.RLIM_INFINITY and before[0] <= bound:
        # Whoever set it wants the signal to end the process.
        yield
        return
    signal.signal(signal.SIGXCPU, _end)
    resource.setrlimit(resource.RLIMIT_CPU, (bound, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, before)
        signal.signal(signal.SIGXCPU, handler)


def out_of_time() -> BpfrecError | None:
    """The error if the bound was reached: what was running may have been told only to stop."""
    return _error() if _arrived else None


def _seconds() -> int:
    wanted = os.environ.get(VARIABLE, "")
    if not wanted:
        return SECONDS
    seconds = whole_number(wanted, (1 << 31) - 1)
    if not seconds:
        raise BpfrecError(f"{VARIABLE} is {wanted!r}, which is no number of seconds", "Say it as 600.")
    return seconds


def _error() -> BpfrecError:
    return BpfrecError(
        "this takes more CPU time than is allowed", f"Ask for less, or allow more seconds: {VARIABLE}=36000"
    )


def _end(number: int, _frame: FrameType | None) -> None:
    # The kernel sends the signal every second. What tidies up at the end must not be disturbed by all of them.
    _arrived.append(number)
    if len(_arrived) % 5 == 1:
        raise _error()
