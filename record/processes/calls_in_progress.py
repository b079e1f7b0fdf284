"""Calls in progress when recording begins. A thread that is not heard of again is still in its call at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bpfrec.bpf import wire
from bpfrec.bpf.selection import PLAN_COMPAT, PLAN_RECORD, Selection, plan_table
from bpfrec.record.processes import procfs
from bpfrec.record.processes.cgroup import threads_in


@dataclass(frozen=True)
class CallInProgress:
    """A call that thread ``tid`` was in; ``compat``: number and arguments are those of 32-bit programs."""

    pid: int
    tid: int
    uid: int
    number: int
    arguments: tuple[int, ...]
    compat: bool

    def sample(self, began: int) -> bytes:
        """Returns the perf sample that the BPF program would send; ``began``: its entry, ns on CLOCK_MONOTONIC."""
        flags = wire.NO_RETURN | wire.NO_ENTRY | wire.EARLIER | (wire.COMPAT if self.compat else 0)
        return wire.call_sample(
            self.arguments, flags=flags, ts=began, pid=self.pid, tid=self.tid, uid=self.uid, nr=self.number
        )


def calls_in_progress(processes: Iterable[int], selection: Selection) -> Iterator[CallInProgress]:
    """Yields the calls that threads of ``processes`` (pids) are in, those that ``selection`` records."""
    plans = plan_table(selection)
    members = None if selection.cgroup is None else threads_in(selection.cgroup)
    for pid in processes:
        status = procfs.status(pid)
        if status is None or (selection.uid is not None and status.uid != selection.uid):
            continue
        names = procfs.thread_names(pid)
        compat = procfs.is_32_bit(procfs.living_thread(pid))
        for tid, comm in names.items():
            if pid not in selection.tgids and selection.tids and tid not in selection.tids:
                continue
            if selection.comm is not None and selection.comm not in (comm, names.get(pid)):
                continue
            if members is not None and tid not in members:
                continue
            call = procfs.call_of(pid, tid)
            if call is None or not 0 <= call[0] < PLAN_COMPAT - 1:
                continue
            plan = plans[call[0] + (PLAN_COMPAT if compat else 0)]
            if plan.flags & PLAN_RECORD:
                yield CallInProgress(pid, tid, status.uid, call[0], call[1][: plan.nargs], compat)
