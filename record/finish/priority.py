"""The priority of processes that work while recording goes on: they take only time that nobody else wants."""

from __future__ import annotations

import os
from contextlib import suppress

from bpfrec.bpf.permission import has_capability

_LOWEST = 19


def raise_priority(pid: int) -> None:
    """Gives the process ``pid``, which called :func:`lower_priority`, normal priority again."""
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, pid, 0)


def lower_priority() -> None:
    """Takes only time that nobody else wants, if that can be undone: else, a busy machine would never finish."""
    if not has_capability("CAP_SYS_NICE"):
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
