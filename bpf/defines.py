"""The defines that the BPF program is compiled with: a filter that is not asked for is not in it and costs nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass

from bpfrec.bpf.btf import has_name, kernel_types
from bpfrec.bpf.known_stacks import MAX_KNOWN_STACKS
from bpfrec.bpf.selection import MOST_HELPERS, Selection
from bpfrec.bpf.task_offsets import (
    register_defines,
    request_defines,
    sched_defines,
    stack_defines,
    submit_point,
    task_defines,
    uring_defines,
)
from bpfrec.formats.errors import BpfrecError

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


def defines_of(selection: Selection) -> Defines:
    """The defines for ``selection``.

    Raises:
        BpfrecError: the kernel's type information lacks what it needs.
    """
    types = kernel_types()
    offsets = _offsets(selection, types)
    reports_births = bool(offsets) and _can_gain_processes(selection)
    births = ["TELL_BIRTHS"] if reports_births else []
    execs = [PREPARE_EXEC] if has_name("btf_trace_sched_prepare_exec", types) else []
    point = submit_point(types) if offsets else None
    uring = uring_defines(types) if point else []
    requests = request_defines(types) if uring else []
    if requests:
        requests.append(f"MAX_REQUESTS={MAX_REQUESTS}")
    flags = [*selection_defines(selection, types), *offsets, *births, *execs, *uring, *requests]
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


def _offsets(selection: Selection, types: bytes | None) -> list[str]:
    """Offsets in the kernel's structs. Without them all works but following children."""
    try:
        return task_defines(types)
    except BpfrecError:
        if selection.follow:
            raise
        return []


def selection_defines(selection: Selection, types: bytes | None = None) -> list[str]:
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
    return defines + _stacks_and_samples(selection, types) + _sched(selection, types)


def _sched(selection: Selection, types: bytes | None) -> list[str]:
    if not selection.sched:
        return []
    with_stacks = selection.kernel_stacks_ns is not None
    room = MAX_OFF_CPU_WITH_STACKS if with_stacks else MAX_OFF_CPU
    return ["SCHED", f"MAX_OFF_CPU={room}", *(["KERNEL_STACKS"] if with_stacks else []), *sched_defines(types)]


def _stacks_and_samples(selection: Selection, types: bytes | None) -> list[str]:
    full = selection.stacks == "full"
    defines: list[str] = []
    if selection.has_stacks:
        defines.append("FULL_STACKS" if full else "STACKS")
        if selection.stack_on.failed or selection.stack_on.every:
            defines.append("STACKS_OF_FAILED")
    if selection.profile:
        defines += ["PROFILE", *_PROFILE_STACKS[selection.stacks]]
    if full and defines:
        defines += [f"MAX_PATHS={MAX_KNOWN_STACKS}", *stack_defines(types)]
    if full and selection.profile:
        defines += register_defines(types)
    return defines
