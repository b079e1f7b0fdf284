"""The recorder's BPF program: compiled for one selection, loaded, attached, read out."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bpfrec.bpf import wire
from bpfrec.bpf.bcc_module import load_bcc
from bpfrec.bpf.clock import monotonic_ns
from bpfrec.bpf.compiling import compile_program
from bpfrec.bpf.defines import Defines, defines_of, only_tgid
from bpfrec.bpf.known_stacks import KnownStacks
from bpfrec.bpf.perf_event import Ring
from bpfrec.bpf.permission import why_refused
from bpfrec.bpf.quiet import quiet
from bpfrec.bpf.selection import CAPTURES, Plan, Selection, plan_table
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
    "interrupted_calls",
)
"""The counters of the program, in the order of ``enum counter`` in ``programs/counters.c``."""

_log = logging.getLogger(__name__)

_RECORDED, _UNTIL_EXEC = 1, 2
_IN_CALL = 1
_STACK, _SAMPLE = "on_stack", "on_sample"


class _Capture(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint8),
        ("kind", ctypes.c_uint8),
        ("size", ctypes.c_uint8),
        ("length", ctypes.c_uint8),
        ("when", ctypes.c_uint8),
        ("least", ctypes.c_uint8),
        ("most", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
    )


class _Plan(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint8),
        ("nargs", ctypes.c_uint8),
        ("buffers", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
        ("capture", _Capture * CAPTURES),
    )


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


def load_program(selection: Selection) -> RecorderProgram:
    """Compiles the program in ``programs/`` for ``selection`` and loads it; it is not attached yet.

    Not for use beside other threads: see :func:`bpfrec.bpf.compiling.compile_program`.

    Raises:
        BpfrecError: bcc is missing, the program does not compile, or the kernel refuses it.
    """
    bcc = load_bcc()
    defines = defines_of(selection)
    return RecorderProgram(bcc, compile_program(bcc, defines.flags), selection, defines)


class RecorderProgram:
    """The compiled program ``bpf``, loaded for ``selection``.

    ``knows_ends``: it forgets recorded processes when they end; threads it always forgets.

    Raises:
        BpfrecError: the kernel refuses it.
    """

    def __init__(self, bcc: ModuleType, bpf: Any, selection: Selection, defines: Defines) -> None:
        self._bcc, self._bpf = bcc, bpf
        self._selection = selection
        self.knows_ends, self._reports_births = defines.knows_ends, defines.reports_births
        self._attached: list[str] = []
        try:
            self._functions = self._load()
            self._fill_plans(plan_table(selection))
            self._fill_targets()
        except BaseException:
            self.close()
            raise

    def connect(self, rings: list[Ring]) -> None:
        """Makes the program send its records to ``rings``, which has one for each CPU."""
        self._connect(b"rings", rings)

    def known_stacks(self, rings: list[Ring]) -> KnownStacks:
        """Makes the program send snapshots to ``rings``; the table of known stacks. For ``--stacks full`` only."""
        self._connect(b"snapshots", rings)
        table = self._bpf[b"tails"]
        table[table.Key(0)] = table.Leaf(self._functions[_STACK].fd)
        return KnownStacks(self._bpf[b"paths"])

    def sampling(self, rings: list[Ring]) -> int:
        """Makes the program for samples send to ``rings``; its descriptor. For a selection with ``profile``."""
        self._connect(b"samples", rings)
        descriptor: int = self._functions[_SAMPLE].fd
        return descriptor

    def attach(self) -> None:
        """Starts recording. Exits are attached before entries: a call whose entry is seen has its exit seen too."""
        for point in ("sched_process_exit", "sched_process_exec", "sched_process_fork", "sys_exit", "sys_enter"):
            function = self._functions.get(point)
            if function is not None:
                with quiet():
                    self._bpf.attach_raw_tracepoint(tp=point.encode(), fn_name=function.name)
                self._attached.append(point)
        _log.info("attached to %s", ", ".join(self._attached))
        table = self._bpf[b"began"]
        table[table.Key(0)] = table.Leaf(monotonic_ns())

    def detach(self) -> None:
        """Stops recording. Entries are detached first, so that calls in progress can end."""
        while self._attached:
            with quiet():
                self._bpf.detach_raw_tracepoint(tp=self._attached.pop().encode())

    def forget(self, ended: int) -> None:
        """Stops recording the process or thread ``ended``, whose number may be used again."""
        for name in self._target_maps():
            table = self._bpf[name]
            with suppress(KeyError):
                del table[table.Key(ended)]

    def has_targets(self) -> bool:
        """Whether a chosen process or thread, or a child that is followed, still exists."""
        return any(True for name in self._target_maps() for _ in self._bpf[name])

    def _target_maps(self) -> list[bytes]:
        maps = [b"tgids"] if self._targets_are_in_map() else []
        return [*maps, b"tids"] if self._selection.tids else maps

    def sent_and_lost(self) -> tuple[int, int]:
        """How many calls the program has sent so far, and how many found no room in a ring."""
        table = self._bpf[b"counters"]
        sent, lost = (int(sum(table[table.Key(COUNTERS.index(n))])) for n in ("sent_syscalls", "lost_syscalls"))
        return sent, lost

    def counters(self) -> dict[str, int]:
        """:data:`COUNTERS`, summed over the CPUs, and ``missed_runs``: times the kernel skipped a program."""
        table = self._bpf[b"counters"]
        counts = {name: sum(table[table.Key(i)]) for i, name in enumerate(COUNTERS)}
        return counts | {"missed_runs": self._missed_runs()}

    def lost_syscalls_by_cpu(self) -> list[int]:
        """How many calls found no room in the ring of each possible CPU."""
        table = self._bpf[b"counters"]
        return [int(n) for n in table[table.Key(COUNTERS.index("lost_syscalls"))]]

    def lost_bursts(self) -> list[LostBurst]:
        """The accounts of lost calls, in the order of their times."""
        bursts = [
            LostBurst(key.cpu, key.burst, value.pid, key.tid, value.count, value.first, value.last)
            for key, value in self._bpf[b"lost_runs"].items()
        ]
        return sorted(bursts, key=lambda burst: (burst.first, burst.cpu, burst.tid))

    def calls_in_progress(self) -> bytes:
        """The calls that threads are in now, as perf samples, with the flag ``wire.NO_RETURN``."""
        slots, owners = self._bpf[b"slots"], self._bpf[b"owners"]
        taken = [slots[slots.Key(index.value)] for index in owners]
        in_progress = [slot for slot in [*taken, *self._bpf[b"crowded"].values()] if slot.state & _IN_CALL]
        return b"".join(_as_sample(bytes(slot), self._kept_aside(slot)) for slot in in_progress)

    def _kept_aside(self, slot: Any) -> list[bytes]:
        spilled = self._bpf[b"spilled"]
        keys = (spilled.Key(slot.call.tid * wire.ASIDE + number) for number in range(wire.ASIDE))
        return [bytes(spilled[key]) for key in keys if key in spilled] if slot.aside else []

    def unsent(self) -> list[tuple[int, bytes, int]]:
        """The batches that were not full when recording stopped: CPU, perf sample, number of calls."""
        batches = self._bpf[b"batches"][0]
        return [
            (cpu, wire.batch_sample(bytes(batch.data)[: batch.used], batch.calls), batch.calls)
            for cpu, batch in enumerate(batches)
            if batch.used
        ]

    def close(self) -> None:
        """Detaches and unloads."""
        self.detach()
        with quiet():
            self._bpf.cleanup()

    def _connect(self, name: bytes, rings: list[Ring]) -> None:
        table = self._bpf[name]
        for ring in rings:
            table[table.Key(ring.cpu)] = table.Leaf(ring.fileno())

    def _load(self) -> dict[str, Any]:
        functions = {
            "sys_enter": "on_sys_enter",
            "sys_exit": "on_sys_exit",
            "sched_process_exit": "on_process_exit",
            "sched_process_exec": "on_process_exec",
        }
        if self._reports_births:
            functions["sched_process_fork"] = "on_process_fork"
        if self._selection.has_full_stacks:
            functions[_STACK] = _STACK
        kinds = dict.fromkeys(functions, self._bcc.BPF.RAW_TRACEPOINT)
        if self._selection.profile:
            functions[_SAMPLE], kinds[_SAMPLE] = _SAMPLE, self._bcc.BPF.PERF_EVENT
        begin, failure = time.monotonic(), ""
        loaded: dict[str, Any] = {}
        with quiet() as output:
            try:
                for point, name in functions.items():
                    loaded[point] = self._bpf.load_func(name.encode(), kinds[point])
            except Exception as error:  # bcc raises bare Exception
                failure = str(error)
        if failure:
            raise why_refused("the kernel refuses the BPF program", f"{output.text()}\n{failure}")
        _log.info("loaded %s in %.2f s", ", ".join(loaded), time.monotonic() - begin)
        return loaded

    def _fill_plans(self, plans: list[Plan]) -> None:
        table = self._bpf[b"plans"]
        for number, plan in enumerate(plans):
            row = _Plan(flags=plan.flags, nargs=plan.nargs, buffers=plan.buffers)
            for index, c in enumerate(plan.captures):
                row.capture[index] = _Capture(c.argument, c.kind, c.size, c.length, c.when, c.least, c.most)
            table[table.Key(number)] = table.Leaf.from_buffer_copy(bytes(row))

    def _fill_targets(self) -> None:
        state = _UNTIL_EXEC if self._selection.until_exec else _RECORDED
        if self._targets_are_in_map():
            self._set_all("tgids", self._selection.tgids, state)
        if self._selection.tids:
            self._set_all("tids", self._selection.tids, _RECORDED)
        if self._selection.cgroup is not None:
            self._set_cgroup(self._selection.cgroup)

    def _set_cgroup(self, folder: Path) -> None:
        table = self._bpf[b"cgroups"]
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise BpfrecError(f"{folder}: {error.strerror}") from None
        try:
            table[table.Key(0)] = descriptor
        finally:
            os.close(descriptor)

    def add_named_processes(self, tgids: frozenset[int]) -> None:
        """Adds processes that have the selection's name already, so that their threads are recorded at once."""
        self._set_all("named_tgids", tgids, 1)

    def _set_all(self, name: str, keys: frozenset[int], value: int) -> None:
        table = self._bpf[name.encode()]
        for key in keys:
            table[table.Key(key)] = table.Leaf(value)

    def _targets_are_in_map(self) -> bool:
        return self._selection.follow or (bool(self._selection.tgids) and only_tgid(self._selection) is None)

    def _missed_runs(self) -> int:
        return sum(_recursion_misses(self._bcc, function.fd) for function in self._functions.values())


def _as_sample(slot: bytes, aside: list[bytes]) -> bytes:
    """A perf sample of a ``struct call_slot`` and the captures kept aside for it, as if the call had ended."""
    call = np.frombuffer(slot, wire.SYSCALL, 1, wire.SLOT_CALL)
    end = wire.SLOT_ARGS + int(call["nargs"][0]) * 8
    head = call.tobytes()[:5] + bytes([int(call["flags"][0]) | wire.NO_RETURN]) + call.tobytes()[6:]
    own = wire.record(head + slot[wire.SLOT_ARGS : end], slot[wire.SLOT_DATA :])
    more = slot[wire.SLOT_STRUCT :]
    extras = [*aside, more] if int.from_bytes(more[:2], "little") else aside
    made = [wire.record(extra[: wire.EXTRA.itemsize], extra[wire.EXTRA.itemsize :]) for extra in extras]
    return wire.batch_sample(b"".join([*made, own]), 1)


# Where struct bpf_prog_info keeps recursion_misses (u64): include/uapi/linux/bpf.h, since 5.12.
_RECURSION_MISSES = 208
_PROG_INFO_BYTES = 256


def _recursion_misses(bcc: ModuleType, descriptor: int) -> int:
    info = ctypes.create_string_buffer(_PROG_INFO_BYTES)
    length = ctypes.c_uint32(_PROG_INFO_BYTES)
    get_info = bcc.libbcc.lib.bpf_obj_get_info
    if get_info(descriptor, info, ctypes.byref(length)) or length.value < _RECURSION_MISSES + 8:
        return 0
    return int.from_bytes(info.raw[_RECURSION_MISSES : _RECURSION_MISSES + 8], "little")
