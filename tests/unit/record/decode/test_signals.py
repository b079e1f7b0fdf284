"""record/decode/signals.py: which members of a siginfo mean something."""

from __future__ import annotations

import signal
import struct
from typing import Any

import numpy as np
import pytest
from support import ring_bytes

from bpfrec.bpf import wire
from bpfrec.record.decode.signals import signal_rows

SENDER = struct.pack("<iI", 77, 1000)


def row(number: int, code: int, fields: bytes = b"", **columns: Any) -> dict[str, Any]:
    """The row of one signal, without what is NULL."""
    records = ring_bytes.decode(ring_bytes.signal(number, code, fields, **columns))
    (found,) = signal_rows(records.signals).to_pylist()
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("number", "code", "fields", "expected"),
    [
        (signal.SIGUSR1, 0, SENDER, {"sender_pid": 77, "sender_uid": 1000}),
        (signal.SIGUSR1, -6, SENDER, {"sender_pid": 77, "sender_uid": 1000}),
        (signal.SIGUSR2, -1, SENDER + struct.pack("<Q", 42), {"sender_pid": 77, "sender_uid": 1000, "value": 42}),
        (signal.SIGALRM, -2, struct.pack("<iiQ", 3, 5, 9), {"timer": 3, "overrun": 5, "value": 9}),
        (signal.SIGALRM, 0x80, b"", {}),
        (signal.SIGSEGV, 1, struct.pack("<Q", 0x1234), {"address": 0x1234}),
        (signal.SIGSEGV, 0, SENDER, {"sender_pid": 77, "sender_uid": 1000}),
        (signal.SIGFPE, 1, struct.pack("<Q", 2**64 - 1), {"address": 2**64 - 1}),
        (signal.SIGIO, 1, struct.pack("<qi", 65, 4), {"band": 65, "fd": 4}),
        (signal.SIGSYS, 1, struct.pack("<QiI", 16, 59, 0xC000003E), {"address": 16, "nr": 59, "arch": 0xC000003E}),
        (
            signal.SIGCHLD,
            1,
            SENDER + struct.pack("<i4xqq", 7, 2, 3),
            {"sender_pid": 77, "sender_uid": 1000, "status": 7, "user_ticks": 2, "system_ticks": 3},
        ),
    ],
)
def test_only_what_the_signal_has_is_told(number: int, code: int, fields: bytes, expected: dict[str, Any]) -> None:
    found = row(number, code, fields, handler=0x4000)
    common = {"ts_ns": 1000, "pid": 100, "tid": 101, "uid": 0, "comm": "worker", "action": "handler", "handler": 0x4000}
    assert found == common | expected | {"signal": number, "code": code}


def test_actions() -> None:
    assert [row(2, 0, handler=handler)["action"] for handler in (0, 1, 2)] == ["default", "ignored", "handler"]


def test_what_the_kernel_does_not_say() -> None:
    found = row(signal.SIGKILL, 0, flags=wire.SIGNAL_NO_INFO)
    assert found.keys() == {"ts_ns", "pid", "tid", "uid", "comm", "signal", "action"}


def test_signals_between_calls_belong_to_none() -> None:
    records = ring_bytes.decode(
        ring_bytes.call(1), ring_bytes.extra(wire.KIND_DATA, b"abc"), ring_bytes.signal(10, 0), ring_bytes.call(2)
    )
    assert len(records.signals) == 1
    np.testing.assert_array_equal(records.calls.nr, [1, 2])
    np.testing.assert_array_equal(records.extra_owner, [1])
