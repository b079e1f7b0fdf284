"""The recorder's BPF program: compiled for one selection, loaded, attached, read out."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bpfrec.bpf.bpf_calls import PERF_EVENT, RAW_TRACEPOINT, attach_raw_tracepoint, recursion_misses
from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.compilation import Compilation
from bpfrec.bpf.compiled import CompiledProgram
from bpfrec.bpf.defines import PREPARE_EXEC, Defines, constants_of, defines_of
from bpfrec.bpf.kernel_facts import kernel_facts
from bpfrec.bpf.known_stacks import KnownStacks
from bpfrec.bpf.loading import LoadedProgram
from bpfrec.bpf.maps import Map
from bpfrec.bpf.perf_event import Ring
from bpfrec.bpf.permission import why_refused
from bpfrec.bpf.program_cache import cache_of_environment
from bpfrec.bpf.selection import CAPTURES, Plan, Selection, plan_table
from bpfrec.bpf.task_offsets import OLD_SUBMIT, SUBMIT
from bpfrec.formats.errors import BpfrecError

COUNTERS = (
    "sent_syscalls",
    "lost_syscalls",
    "lost_data",
    "lost_threads",
    "lost_exits",
    "lost_processes",
    "lost_stacks",
    "capped_stacks",
    "sent_samples",
    "lost_samples",
    "capped_samples",
    "lost_signals",
    "sent_off_cpu",
    "lost_off_cpu",
    "lost_requests",
)
"""The counters of the program, in the order of ``enum counter`` in ``programs/counters.c``."""

_log = logging.getLogger(__name__)

_RECORDED, _UNTIL_EXEC = 1, 2
_SAMPLE = "on_sample"
_TAILS = ("on_stack", "on_candidate", "on_snapshot")
"""The functions in which others end, in the order of ``enum tail`` in ``programs/stacks.c``."""


_POINTS = (
    # Of two functions, that which is attached first runs first, and a thread that has ended is forgotten by the second.
    ("sched_process_exit", "on_last_run"),
    ("sched_process_exit", "on_process_exit"),
    ("sched_prepare_exec", "on_prepare_exec"),
    ("sched_process_exec", "on_process_exec"),
    ("sched_process_fork", "on_process_fork"),
    # A request whose submission is seen has its completion seen too.
    ("io_uring_complete", "on_uring_completion"),
    ("io_uring_queue_async_work", "on_uring_handover"),
    ("io_uring_req_failed", "on_uring_refusal"),
    (SUBMIT, "on_uring_request"),
    (OLD_SUBMIT, "on_uring_request"),
    ("signal_generate", "on_signal_sent"),
    ("signal_deliver", "on_signal"),
    ("sys_exit", "on_sys_exit"),
    ("sys_enter", "on_sys_enter"),
    ("sched_waking", "on_waking"),
    ("sched_switch", "on_switch"),
)
"""Tracepoints and the functions that run there, in the order of attaching."""

_U64 = struct.Struct("<Q")
# struct call_plan and struct capture of plans.c; struct lost_key and struct lost_run of batches.c.
_PLAN, _CAPTURE = struct.Struct("<BBBx"), struct.Struct("<7Bx")
_LOST_KEY, _LOST_RUN = struct.Struct("<III"), struct.Struct("<QQQI4x")


@dataclass(frozen=True)
class LostBurst:
    """Calls of one thread that found no room in the ring of one CPU, without a call in between that did.

    ``burst``: counts such stretches on each CPU. ``count``: calls. ``first`` and ``last``: entry of the first and the
    last of them, ns on CLOCK_MONOTONIC.
    """

    cpu: int
    burst: int
    pid: int
    tid: int
    count: int
    first: int
    last: int


def functions_of(selection: Selection, defines: Defines) -> dict[str, int]:
    """The functions of the program for ``selection``, and their types; those that take longest to load stand first."""
    names = ["on_sys_exit", "on_sys_enter", "on_process_exec", "on_process_exit", "on_signal"]
    if defines.uring_point:
        names.append("on_uring_request")
    if defines.has_requests:
        names += ("on_uring_completion", "on_uring_handover", "on_uring_refusal")
    if defines.knows_ends:
        names.append("on_signal_sent")
    if PREPARE_EXEC in defines.flags:
        names.append("on_prepare_exec")
    if defines.reports_births:
        names.append("on_process_fork")
    if selection.sched:
        names += ("on_switch", "on_waking", "on_last_run")
    if selection.has_full_stacks:
        names += _TAILS
    kinds = dict.fromkeys(names, RAW_TRACEPOINT)
    return kinds | {_SAMPLE: PERF_EVENT} if selection.profile else kinds


def start_compiling(selection: Selection) -> Compilation:
    """Begins to get the program for recordings like that of ``selection``: which processes it names does not matter.

    Not for use beside other threads.

    Raises:
        BpfrecError: the kernel's type information lacks what it needs.
    """
    cache = cache_of_environment()
    return Compilation(defines_of(selection, kernel_facts(cache)), cache)


def load_program(selection: Selection) -> RecorderProgram:
    """Loads the program in ``programs/`` for ``selection``; it is not attached yet.

    Not for use beside other threads.

    Raises:
        BpfrecError: bcc is missing, the program does not compile, or the kernel refuses it.
    """
    compilation = start_compiling(selection)
    try:
        program = RecorderProgram(selection, compilation)
    finally:
        compilation.close()
    try:
        program.wait()
    except BaseException:
        program.close()
        raise
    return program


class RecorderProgram:
    """The program of ``compilation`` (:func:`start_compiling`, for a selection like ``selection``).

    It is being loaded; :meth:`wait` waits for that. ``knows_ends``: it forgets recorded processes when they end;
    threads it always forgets. ``reports_uring``: it reports descriptors that io_uring closes. ``has_requests``: it
    reports what is asked of io_uring.

    Raises:
        BpfrecError: it does not compile, or the kernel refuses its maps.
    """

    def __init__(self, selection: Selection, compilation: Compilation) -> None:
        self.selection, self._compilation = selection, compilation
        defines = compilation.defines
        self.knows_ends, self.reports_uring = defines.knows_ends, bool(defines.uring_point)
        self.has_requests = defines.has_requests
        self._absent = {SUBMIT, OLD_SUBMIT} - {defines.uring_point}
        self._kinds = functions_of(selection, defines)
        self._rings: dict[str, list[Ring]] = {}
        self._attached: list[tuple[str, int]] = []
        self._functions: Mapping[str, int] = {}
        self._loaded = self._load(compilation.result())

    def _load(self, program: CompiledProgram) -> LoadedProgram:
        loaded = LoadedProgram(program, self._kinds, constants_of(self.selection))
        try:
            _fill_plans(loaded.maps["plans"], plan_table(self.selection))
            _fill_targets(loaded.maps, self.selection)
        except BaseException:
            loaded.close()
            raise
        return loaded

    @property
    def _maps(self) -> Mapping[str, Map]:
        return self._loaded.maps

    def wait(self) -> Mapping[str, int]:
        """Waits until the kernel has checked the program; the descriptors of its functions.

        Raises:
            BpfrecError: the kernel refuses it.
        """
        while not self._functions:
            try:
                self._functions = self._loaded.wait()
            except BpfrecError as error:
                other = self._compilation.anew() if self._loaded.is_unverified else None
                if other is None:
                    raise
                _log.info("it is compiled in another way: %s", error)
                self._loaded.close()
                self._loaded = self._load(other)
                for name, rings in self._rings.items():
                    self._connect(name, rings)
        return self._functions

    def connect(self, rings: list[Ring]) -> None:
        """Makes the program send its records to ``rings``, which has one for each CPU."""
        self._connect("rings", rings)

    def known_stacks(self, rings: list[Ring]) -> KnownStacks:
        """Makes the program send snapshots to ``rings``; the table of known stacks. For ``--stacks full`` only."""
        self._connect("snapshots", rings)
        functions = self.wait()
        for number, name in enumerate(_TAILS):
            self._maps["tails"][number] = functions[name]
        return KnownStacks(self._maps["paths"])

    def sampling(self, rings: list[Ring]) -> int:
        """Makes the program for samples send to ``rings``; its descriptor. For a selection with ``profile``."""
        self._connect("samples", rings)
        return self.wait()[_SAMPLE]

    def connect_switches(self, rings: list[Ring]) -> None:
        """Makes the program tell ``rings`` when threads were off their CPUs. For a selection with ``sched``."""
        self._connect("switches", rings)

    def attach(self) -> None:
        """Starts recording. Exits are attached before entries: a call whose entry is seen has its exit seen too.

        Raises:
            BpfrecError: the kernel refuses.
        """
        functions = self.wait()
        for point, name in _POINTS:
            if name in functions and point not in self._absent:
                try:
                    self._attached.append((point, attach_raw_tracepoint(point, functions[name])))
                except OSError as error:
                    raise why_refused(f"the BPF program cannot run at {point}", os.strerror(error.errno or 0)) from None
        _log.info("attached to %s", ", ".join(point for point, _ in self._attached))
        self._maps["began"][0] = _U64.pack(monotonic_ns())

    def detach(self) -> None:
        """Stops recording. Entries are detached first, so that calls in progress can end."""
        while self._attached:
            os.close(self._attached.pop()[1])

    def forget(self, ended: int) -> None:
        """Stops recording the process or thread ``ended``, whose number may be used again."""
        for name in self._target_maps():
            with suppress(KeyError):
                del self._maps[name][ended]

    def has_targets(self) -> bool:
        """Whether a chosen process or thread, or a child that is followed, still exists."""
        return any(True for name in self._target_maps() for _ in self._maps[name])

    def add_named_processes(self, tgids: frozenset[int]) -> None:
        """Adds processes that have the selection's name already, so that their threads are recorded at once."""
        for tgid in tgids:
            self._maps["named_tgids"][tgid] = 1

    def _target_maps(self) -> list[str]:
        return [name for name in ("tgids", "tids") if name in self._maps]

    def sent_and_lost(self) -> tuple[int, int]:
        """How many calls the program has sent so far, and how many found no room in a ring."""
        return self._count("sent_syscalls"), self._count("lost_syscalls")

    def counters(self) -> dict[str, int]:
        """:data:`COUNTERS`, summed over the CPUs, and ``missed_runs``: times the kernel skipped a program."""
        counts = {name: self._count(name) for name in COUNTERS}
        return counts | {"missed_runs": sum(map(recursion_misses, self.wait().values()))}

    def lost_syscalls_by_cpu(self) -> list[int]:
        """How many calls found no room in the ring of each possible CPU."""
        return [_U64.unpack(value)[0] for value in self._maps["counters"].per_cpu(COUNTERS.index("lost_syscalls"))]

    def _count(self, name: str) -> int:
        return sum(_U64.unpack(value)[0] for value in self._maps["counters"].per_cpu(COUNTERS.index(name)))

    def lost_bursts(self) -> list[LostBurst]:
        """The accounts of lost calls, in the order of their times."""
        bursts = []
        for key, value in self._maps["lost_runs"].items():
            tid, cpu, burst = _LOST_KEY.unpack(key)
            count, first, last, pid = _LOST_RUN.unpack(value)
            bursts.append(LostBurst(cpu, burst, pid, tid, count, first, last))
        return sorted(bursts, key=lambda burst: (burst.first, burst.cpu, burst.tid))

    def forget_losses(self, before: int) -> None:
        """Forgets the accounts of lost calls whose last one was entered before ``before`` (ns, CLOCK_MONOTONIC)."""
        table = self._maps["lost_runs"]
        for key, value in list(table.items()):
            if _LOST_RUN.unpack(value)[2] < before:
                with suppress(KeyError):
                    del table[key]

    def calls_in_progress(self) -> bytes:
        """The calls that threads are in now, as perf samples, with the flag ``wire.NO_RETURN``."""
        # numpy, which this needs, is slow to import, and need not be there when the program begins to load.
        from bpfrec.bpf.leftovers import calls_in_progress  # noqa: PLC0415

        return calls_in_progress(self._maps)

    def unsent(self) -> list[tuple[int, bytes, int]]:
        """The batches that are not full, which it has not sent yet: CPU, perf sample, number of calls."""
        from bpfrec.bpf.leftovers import unsent_batches  # noqa: PLC0415

        return unsent_batches(self._maps)

    def still_off_cpu(self) -> list[tuple[int, bytes]]:
        """Times off the CPU that last: the CPU that was left, and the perf sample. For a selection with ``sched``."""
        from bpfrec.bpf.leftovers import still_off_cpu  # noqa: PLC0415

        return still_off_cpu(self._maps)

    def close(self) -> None:
        """Detaches and unloads."""
        self.detach()
        self._loaded.close()

    def _connect(self, name: str, rings: list[Ring]) -> None:
        self._rings[name] = rings
        for ring in rings:
            self._maps[name][ring.cpu] = ring.fileno()


def _fill_plans(table: Map, plans: list[Plan]) -> None:
    table.fill([_packed(plan) for plan in plans])


def _packed(plan: Plan) -> bytes:
    captures = [(c.argument, c.kind, c.size, c.length, c.when, c.least, c.most) for c in plan.captures]
    packed = b"".join(_CAPTURE.pack(*capture) for capture in captures)
    return _PLAN.pack(plan.flags, plan.nargs, plan.buffers) + packed.ljust(CAPTURES * _CAPTURE.size, b"\0")


def _fill_targets(maps: Mapping[str, Map], selection: Selection) -> None:
    if "tgids" in maps:
        state = _UNTIL_EXEC if selection.until_exec else _RECORDED
        for tgid in selection.tgids:
            maps["tgids"][tgid] = state
    for tid in selection.tids:
        maps["tids"][tid] = _RECORDED
    if selection.cgroup is not None:
        _set_cgroup(maps["cgroups"], selection.cgroup)


def _set_cgroup(table: Map, folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BpfrecError(f"{folder}: {error.strerror}") from None
    try:
        table[0] = descriptor
    finally:
        os.close(descriptor)
