"""The defines that the BPF program is compiled with: a filter that is not asked for is not in it and costs nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

from bpfrec.bpf.kernel_facts import KernelFacts
from bpfrec.bpf.known_stacks import MAX_KNOWN_STACKS
from bpfrec.bpf.selection import MOST_HELPERS, Selection
from bpfrec.bpf.task_offsets import sched_defines, task_defines

MAX_THREADS = 32768
"""How many threads, and how many processes, the program's maps have room for; a power of two."""

MAX_LOST_RUNS = 65536
"""How many bursts of lost calls the program keeps account of; beyond that they are counted per CPU only."""

MAX_OFF_CPU, MAX_OFF_CPU_WITH_STACKS = 32768, 8192
"""How many threads may be off their CPUs at a time, without and with kernel stacks."""

MAX_REQUESTS = 65536
"""How many requests to io_uring may be under way; the kernel takes memory for those that are."""

PREPARE_EXEC = "PREPARE_EXEC"
"""The define that says that the kernel has the tracepoint sched_prepare_exec."""

_VECTORS = 64
_COMM_BYTES = 16
_PROFILE_STACKS: dict[str, list[str]] = {"full": ["PROFILE_FULL"], "fp": ["PROFILE_FP"], "off": []}


@dataclass(frozen=True)
class Defines:
    """``flags``: the defines, as ``NAME`` or ``NAME=value``, and what the program can do with them.

    ``knows_ends``: it forgets recorded processes when they end. ``reports_births``: it reports new processes.
    ``uring_point``: the tracepoint by which it reports descriptors that io_uring closes; None: it does not.
    ``has_requests``: it reports what is asked of io_uring.
    """

    flags: list[str]
    knows_ends: bool
    reports_births: bool
    uring_point: str | None = None
    has_requests: bool = False


def defines_of(selection: Selection, facts: KernelFacts) -> Defines:
    """The defines for ``selection`` on a kernel of which ``facts`` are known.

    Raises:
        BpfrecError: the kernel's type information lacks what it needs.
    """
    offsets = facts.task
    if selection.follow and not offsets:
        # It says what is missing.
        task_defines()
    reports_births = bool(offsets) and _can_gain_processes(selection)
    births = ["TELL_BIRTHS"] if reports_births else []
    execs = [PREPARE_EXEC] if facts.has_prepare_exec else []
    point = facts.submit_point if offsets else None
    uring = facts.uring if point else ()
    requests = (*facts.requests, f"MAX_REQUESTS={MAX_REQUESTS}") if uring and facts.requests else ()
    flags = [*selection_defines(selection, facts), *offsets, *births, *execs, *uring, *requests]
    return Defines(flags, bool(offsets), reports_births, point if uring else None, bool(requests))


def constants_of(selection: Selection) -> list[int]:
    """The numbers that are put into the compiled program, in the order of ``enum constant`` in ``targets.c``."""
    name = os.fsencode(selection.comm or "")[: _COMM_BYTES - 1].ljust(_COMM_BYTES, b"\0")
    words = (int.from_bytes(name[:8], "little"), int.from_bytes(name[8:], "little"))
    helpers = (*selection.helper_pids, 0, 0)[:MOST_HELPERS]
    return [
        os.getpid(),
        only_tgid(selection) or 0,
        selection.uid or 0,
        *words,
        *helpers,
        selection.kernel_stacks_ns or 0,
    ]


def only_tgid(selection: Selection) -> int | None:
    """The pid, if exactly one process is recorded from start to end; None for any other selection."""
    if len(selection.tgids) == 1 and not (selection.tids or selection.follow or selection.until_exec):
        return next(iter(selection.tgids))
    return None


def _can_gain_processes(selection: Selection) -> bool:
    return selection.follow or not (selection.tgids or selection.tids)


def selection_defines(selection: Selection, facts: KernelFacts) -> list[str]:
    """The defines that follow from the kind of ``selection``, and offsets that stacks need; no number of a process."""
    defines = [f"MAX_THREADS={MAX_THREADS}", f"MAX_LOST_RUNS={MAX_LOST_RUNS}"]
    if only_tgid(selection) is not None:
        defines.append("ONLY_TGID")
    elif selection.tgids:
        defines.append("BY_TGID")
    if selection.tids:
        defines.append("BY_TID")
    if selection.comm is not None:
        defines.append("BY_NAME")
    if selection.uid is not None:
        defines.append("BY_UID")
    if selection.cgroup is not None:
        defines.append("BY_CGROUP")
    if selection.follow:
        defines.append("FOLLOW")
    if selection.failed_only:
        defines.append("FAILED_ONLY")
    if selection.data_bytes:
        defines += [f"DATA_BYTES={selection.data_bytes}", f"VECTORS_MAX={_VECTORS}"]
    if selection.environment:
        defines.append("ENVIRONMENT")
    return defines + _stacks_and_samples(selection, facts) + _sched(selection, facts)


def _sched(selection: Selection, facts: KernelFacts) -> list[str]:
    if not selection.sched:
        return []
    with_stacks = selection.kernel_stacks_ns is not None
    room = MAX_OFF_CPU_WITH_STACKS if with_stacks else MAX_OFF_CPU
    stacks = ["KERNEL_STACKS"] if with_stacks else []
    return ["SCHED", f"MAX_OFF_CPU={room}", *stacks, *(facts.sched or sched_defines())]


def _stacks_and_samples(selection: Selection, facts: KernelFacts) -> list[str]:
    full = selection.stacks == "full"
    defines: list[str] = []
    if selection.has_stacks:
        defines.append("FULL_STACKS" if full else "STACKS")
        if selection.stack_on.failed or selection.stack_on.every:
            defines.append("STACKS_OF_FAILED")
    if selection.profile:
        defines += ["PROFILE", *_PROFILE_STACKS[selection.stacks]]
    if full and defines:
        defines += [f"MAX_PATHS={MAX_KNOWN_STACKS}", *facts.stack]
    if full and selection.profile:
        defines += facts.registers
    return defines
