"""Signals to rows of the table ``signals``: which members of a siginfo mean something, by signal and code.

The layouts are those of siginfo_layout() in the kernel's kernel/signal.c, and of include/uapi/asm-generic/siginfo.h.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bpfrec.bpf import wire
from bpfrec.formats.schema import SIGNALS
from bpfrec.record.decode.text import choice, thread_names

_SI_KERNEL, _SI_TIMER, _SI_SIGIO, _SI_TKILL = 0x80, -2, -5, -6

_FAULTS = {
    signal.SIGILL: 11,
    signal.SIGFPE: 15,
    signal.SIGSEGV: 10,
    signal.SIGBUS: 5,
    signal.SIGTRAP: 6,
}
"""The last si_code of each signal that tells the address of a fault."""
_LAST_CHILD, _LAST_POLL, _LAST_SYS = 6, 6, 2

_INFO = np.dtype(
    {
        "names": [
            *("code", "error", "pid", "uid", "status", "utime", "stime", "address", "value"),
            *("timer", "overrun", "band", "fd", "nr", "arch"),
        ],
        "formats": [
            *("<i4", "<i4", "<i4", "<i4", "<i4", "<i8", "<i8", "<u8", "<u8"),
            *("<i4", "<i4", "<i8", "<i4", "<i4", "<u4"),
        ],
        "offsets": [8, 4, 16, 20, 24, 32, 40, 16, 24, 16, 20, 16, 24, 24, 28],
        "itemsize": wire.SIGNAL["info"].itemsize,
    }
)
"""The members of a siginfo; most of them share their bytes with others."""

Mask = NDArray[np.bool_]


def signal_rows(signals: NDArray[np.void]) -> pa.Table:
    """The rows of ``signals`` for records (dtype :data:`.wire.SIGNAL`)."""
    number = signals["signal"]
    info = np.ascontiguousarray(signals["info"]).view(_INFO)
    code = info["code"]
    known = (signals["flags"] & wire.SIGNAL_NO_INFO) == 0
    is_fault, is_child, is_poll, is_sys, is_timer, is_queued = _layouts(number, code, known)
    has_sender = known & ~(is_fault | is_poll | is_sys | is_timer) & ~((code == _SI_KERNEL) & (info["pid"] == 0))
    handler = signals["handler"]
    columns: dict[str, pa.Array] = {
        "ts_ns": pa.array(signals["ts"].astype(np.int64)),
        **{name: pa.array(signals[name].astype(np.int32)) for name in ("pid", "tid")},
        "comm": thread_names(signals["comm"]),
        "uid": pa.array(np.ascontiguousarray(signals["uid"]).view(np.int32)),
        "signal": pa.array(number.astype(np.int32)),
        "code": _where(code, known),
        "error": _where(info["error"], known & (info["error"] != 0)),
        "sender_pid": _where(info["pid"], has_sender),
        "sender_uid": _where(info["uid"], has_sender),
        "status": _where(info["status"], is_child),
        "user_ticks": _where(info["utime"], is_child),
        "system_ticks": _where(info["stime"], is_child),
        "address": _where(info["address"], is_fault | is_sys),
        "value": _where(info["value"], is_timer | is_queued),
        "timer": _where(info["timer"], is_timer),
        "overrun": _where(info["overrun"], is_timer),
        "band": _where(info["band"], is_poll),
        "fd": _where(info["fd"], is_poll),
        "nr": _where(info["nr"], is_sys),
        "arch": _where(info["arch"].astype(np.int64), is_sys),
        "action": choice(np.minimum(handler, 2).astype(np.int32), ("default", "ignored", "handler")),
        "handler": _where(handler, handler > 1),
    }
    return pa.table(columns).select([c.name for c in SIGNALS.columns])


def _layouts(number: NDArray[np.int32], code: NDArray[np.int32], known: Mask) -> Sequence[Mask]:
    """Which signals have the layout of a fault, a child, a poll, a refused call, a timer, and a queued signal."""
    of_kernel = known & (code > 0) & (code < _SI_KERNEL)
    is_fault = np.zeros(len(number), np.bool_)
    for fault, last in _FAULTS.items():
        is_fault |= of_kernel & (number == fault) & (code <= last)
    # General protection faults come with SI_KERNEL; their address is 0.
    is_fault |= known & (code == _SI_KERNEL) & np.isin(number, [signal.SIGSEGV, signal.SIGBUS])
    is_child = of_kernel & (number == signal.SIGCHLD) & (code <= _LAST_CHILD)
    is_sys = of_kernel & (number == signal.SIGSYS) & (code <= _LAST_SYS)
    is_poll = (of_kernel & ~(is_fault | is_child | is_sys) & (code <= _LAST_POLL)) | (known & (code == _SI_SIGIO))
    is_timer = known & (code == _SI_TIMER)
    is_queued = known & (code < 0) & ~np.isin(code, [_SI_TIMER, _SI_SIGIO, _SI_TKILL])
    return is_fault, is_child, is_poll, is_sys, is_timer, is_queued


def _where(values: NDArray[np.generic], having: Mask) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), mask=~having)
