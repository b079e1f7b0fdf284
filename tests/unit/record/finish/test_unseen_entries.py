"""record/finish/unseen_entries.py: what calls are whose entry was not seen."""

from __future__ import annotations

import numpy as np
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.record.finish.unseen_entries import UnseenEntries
from bpfrec.record.processes.calls_in_progress import CallInProgress

BEGAN, LOOKED = 1000, 2000
READ, PRCTL, MKDIR = 0, 157, 83
EPERM = -1
UNSEEN, FIRST = wire.NO_ENTRY, wire.NO_ENTRY | wire.EARLIER
IN_PROGRESS = [CallInProgress(100, 101, 0, READ, (), compat=False)]


def settled(
    number: int, ret: int, *, flags: int = FIRST, tid: int = 101, end: int = 9000, existed: bool = True, **how: bool
) -> str:
    call = ring_bytes.call(number, ret=ret, tid=tid, ts=BEGAN, duration=end - BEGAN, flags=flags)
    seen = ring_bytes.call(MKDIR, tid=tid, ts=end)
    records = ring_bytes.decode(ring_bytes.extra(wire.KIND_DATA, b"x", arg=1), call, seen)
    result = UnseenEntries(IN_PROGRESS, LOOKED, how.get("narrowed", False)).settle(records, np.array([existed, True]))
    assert result.calls.nr[-1] == MKDIR, "a call whose entry was seen stays as it is"
    if len(result.calls) == 1:
        assert len(result.extras) == 0
        return "left out"
    assert result.extra_owner.tolist() == [0]
    if result.calls.flags[0] & wire.EARLIER:
        assert (result.calls.ts[0], result.calls.duration[0]) == (BEGAN, end - BEGAN)
        return "in progress"
    assert (result.calls.ts[0], result.calls.duration[0]) == (end, 0)
    return "refused"


def test_a_call_that_was_found_in_progress_was() -> None:
    for ret in (3, EPERM):
        assert settled(READ, ret) == "in progress"
        assert settled(READ, ret, narrowed=True) == "in progress"


def test_a_call_that_ended_before_it_could_be_found_was_in_progress() -> None:
    assert settled(MKDIR, EPERM, end=LOOKED) == "in progress"


def test_the_first_call_of_a_thread_may_be_refused_long_after_the_start() -> None:
    assert settled(MKDIR, EPERM) == "refused"
    assert settled(MKDIR, 0) == "in progress", "of a thread that ran in the kernel, and is not listed"
    assert settled(MKDIR, 0, existed=False) == "refused"
    assert settled(MKDIR, 0, flags=UNSEEN) == "refused"


def test_a_call_by_which_a_thread_comes_to_be_recorded_is_left_out() -> None:
    assert settled(PRCTL, 0, narrowed=True) == "left out"
    assert settled(PRCTL, 0, narrowed=True, flags=UNSEEN) == "left out"
    assert settled(MKDIR, EPERM, narrowed=True, flags=UNSEEN) == "refused"
    assert settled(PRCTL, 0, narrowed=True, flags=FIRST | wire.NO_RETURN, tid=7) == "refused"
