"""Times off the CPU to rows of the table ``sched``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import off_cpu, wire
from bpfrec.bpf.selection import NATIVE_ABI
from bpfrec.formats.kernel.syscalls import by_number
from bpfrec.formats.schema import SCHED
from bpfrec.record.decode.text import choice, thread_names

_STATES = (
    "preempted",
    "yielded",
    "sleeping",
    "uninterruptible",
    "idle",
    "stopped",
    "traced",
    "parked",
    "frozen",
    "exited",
    "other",
)
# Bits of task_struct.__state: include/linux/sched.h.
_BITS = {"traced": 0x8, "stopped": 0x4, "parked": 0x40, "sleeping": 0x1, "uninterruptible": 0x2, "frozen": 0x8000}
_NO_LOAD = 0x400

Mask = NDArray[np.bool_]


def off_cpu_rows(heads: NDArray[np.void], kernel_stack_id: NDArray[np.int64]) -> pa.Table:
    """The rows of ``sched`` for records (dtype :data:`.off_cpu.OFF_CPU`); ``kernel_stack_id``: -1 for none."""
    ts, back, woken = (heads[name].astype(np.int64) for name in ("ts", "back", "woken"))
    state = _states(heads)
    has_run, was_woken = back > 0, woken > 0
    is_runnable = state <= _STATES.index("yielded")
    waited = has_run & ~is_runnable & was_woken
    in_call = heads["call"] > 0
    plain = {name: pa.array(heads[name].astype(np.int32)) for name in ("pid", "tid", "uid")}
    times = {f"{name}_ns": pa.array(heads[name].astype(np.int64)) for name in ("run", "user", "system")}
    columns: dict[str, pa.Array] = {
        "ts_ns": pa.array(ts),
        "duration_ns": _where(back - ts, has_run),
        "state": choice(state, _STATES),
        "blocked_ns": _where(np.where(is_runnable, 0, woken - ts), is_runnable | was_woken),
        "wait_ns": _where(back - np.where(is_runnable, ts, woken), (has_run & is_runnable) | waited),
        **plain,
        "comm": thread_names(heads["comm"]),
        "cpu": pa.array(heads["cpu"].astype(np.int16)),
        "next_cpu": _where(heads["back_cpu"].astype(np.int16), has_run),
        "waker_pid": _where(heads["waker_pid"].astype(np.int32), was_woken),
        "waker_tid": _where(heads["waker_tid"].astype(np.int32), was_woken),
        "syscall": _calls(heads["nr"], heads["call_flags"], in_call),
        "call_ns": _where(heads["call"].astype(np.int64), in_call),
        **times,
        "kernel_stack_id": _where(kernel_stack_id, kernel_stack_id >= 0),
    }
    return pa.table(columns).select([c.name for c in SCHED.columns])


def _states(heads: NDArray[np.void]) -> NDArray[np.int32]:
    """For each record the index of its state in :data:`_STATES`."""
    state = heads["state"]
    found = np.full(len(state), _STATES.index("other"), np.int32)
    for name, bit in reversed(_BITS.items()):
        found[(state & bit) != 0] = _STATES.index(name)
    found[(state & (_NO_LOAD | _BITS["uninterruptible"])) == _NO_LOAD | _BITS["uninterruptible"]] = _STATES.index(
        "idle"
    )
    # On the way back to user code, and at some places in the kernel, a thread that is to give way does so by itself.
    found[(state == 0) | ((state & off_cpu.PREEMPTED) != 0)] = _STATES.index("preempted")
    yielding = [number for number, call in by_number(NATIVE_ABI).items() if call.name == "sched_yield"]
    is_native = (heads["call"] > 0) & ((heads["call_flags"] & wire.COMPAT) == 0)
    found[(state == 0) & is_native & np.isin(heads["nr"], yielding)] = _STATES.index("yielded")
    found[(state & off_cpu.ENDED) != 0] = _STATES.index("exited")
    return found


def _calls(nr: NDArray[np.int32], flags: NDArray[np.uint8], in_call: Mask) -> pa.Array:
    keys = np.where(in_call, nr.astype(np.int64) << 8 | (flags & (wire.COMPAT | wire.X32)), -1)
    found, codes = np.unique(keys, return_inverse=True)
    names = [None if key < 0 else _name(key >> 8, key & 0xFF) for key in found.tolist()]
    distinct = list(dict.fromkeys(name for name in names if name is not None))
    number = np.array([-1 if name is None else distinct.index(name) for name in names], np.int32)
    return choice(number[codes.reshape(-1)], distinct)


def _name(number: int, flags: int) -> str:
    known = by_number("i386" if flags & wire.COMPAT else NATIVE_ABI)
    return known[number].name if number in known else f"unknown_{number}"


def _where(values: NDArray[np.generic], having: Mask) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=~having)
