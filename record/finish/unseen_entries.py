"""Calls whose entry the BPF program did not see: in progress when recording began, refused, or not to be recorded.

A seccomp filter or a tracer may refuse a call before its entry is reported. A filter by name, user or cgroup may not
match when a call is entered, and match when it ends: the call changed the name, or something else did meanwhile. Such
a call was entered by a thread that was not to be recorded, so it is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.record.processes.calls_in_progress import CallInProgress


class UnseenEntries:
    """Decides what each such call was.

    ``in_progress``: the calls that threads were in when they were looked at, which was done by ``looked_ns`` (ns on
    CLOCK_MONOTONIC). ``narrowed``: threads can come to be recorded during a call.
    """

    def __init__(self, in_progress: Iterable[CallInProgress], looked_ns: int, narrowed: bool) -> None:
        self._in_progress = np.array([_key(call.tid, call.number) for call in in_progress], np.int64)
        self._looked_ns, self._narrowed = looked_ns, narrowed

    def settle(self, records: wire.Records, existed: NDArray[np.bool_]) -> wire.Records:
        """Returns ``records`` without calls that are not to be recorded, and marks those that were refused.

        ``existed``: per call whether its thread existed when recording began.
        """
        calls = records.calls
        unseen = (calls.flags & wire.NO_ENTRY) != 0
        worked = calls.ret >= 0
        listed = np.isin(_key(calls.tid.astype(np.int64), calls.nr.astype(np.int64)), self._in_progress)
        # A thread that runs in the kernel is not listed. What failed was rather refused than such a call.
        likely = listed | (calls.ts + calls.duration <= self._looked_ns) | (worked & (not self._narrowed))
        refused = unseen & ~(((calls.flags & wire.EARLIER) != 0) & existed & likely)
        calls.flags[refused] &= ~wire.EARLIER & 0xFF
        calls.ts[refused] += calls.duration[refused]
        calls.duration[refused] = 0
        returned = (calls.flags & wire.NO_RETURN) == 0
        foreign = refused & returned & worked & self._narrowed
        return records.where(~foreign) if foreign.any() else records


def _key(tid: NDArray[np.int64] | int, number: NDArray[np.int64] | int) -> NDArray[np.int64] | int:
    return tid << 32 | number
