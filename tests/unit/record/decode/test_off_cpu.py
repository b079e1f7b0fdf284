"""bpf/off_cpu.py and record/decode/off_cpu.py: from the bytes of a ring to rows of ``sched``."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from bpfrec.bpf import off_cpu, wire
from bpfrec.formats.kernel.syscalls import syscalls
from bpfrec.record.decode.off_cpu import off_cpu_rows
from bpfrec.record.stacks.kernel_stacks import KernelStacks
from bpfrec.record.stacks.kernel_symbols import KernelSymbols

READ, YIELD = (syscalls()[name].numbers["x86_64"] for name in ("read", "sched_yield"))
SYMBOLS = KernelSymbols(
    "ffffffff81000000 T __schedule\nffffffff81001000 T schedule\nffffffff81002000 T bpf_trace_run4\n"
    "ffffffffc0000000 t bpf_prog_1_on_switch\t[bpf]\n"
)


def sample(stack: bytes = b"", **columns: Any) -> bytes:
    head = np.zeros(1, off_cpu.OFF_CPU)
    head["kernel"], head["comm"] = len(stack), np.void(b"worker".ljust(16, b"\0"))
    for name, value in {"ts": 1000, "pid": 100, "tid": 101, **columns}.items():
        head[name] = value
    return off_cpu.sample(head.tobytes() + stack)


def row(**columns: Any) -> dict[str, Any]:
    records = off_cpu.decode(np.frombuffer(sample(**columns), np.uint8))
    (found,) = off_cpu_rows(records.heads, np.array([-1])).to_pylist()
    return dict(found)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (0x1, "sleeping"),
        (0x2001, "sleeping"),
        (0x2, "uninterruptible"),
        (0x102, "uninterruptible"),
        (0x402, "idle"),
        (0x4, "stopped"),
        (0x8, "traced"),
        (0x40, "parked"),
        (0x8000, "frozen"),
        (0x10, "other"),
        (0, "preempted"),
        (off_cpu.PREEMPTED, "preempted"),
        (off_cpu.PREEMPTED | 1, "preempted"),
        (off_cpu.ENDED, "exited"),
    ],
)
def test_states(state: int, name: str) -> None:
    assert row(state=state)["state"] == name


def test_a_wait_is_blocked_until_it_is_woken() -> None:
    found = row(state=1, woken=1600, back=1700, waker_pid=7, waker_tid=8, cpu=1, back_cpu=0, call=900, nr=READ)
    expected = {
        "ts_ns": 1000,
        "duration_ns": 700,
        "blocked_ns": 600,
        "wait_ns": 100,
        "pid": 100,
        "tid": 101,
        "comm": "worker",
        "cpu": 1,
        "next_cpu": 0,
        "waker_pid": 7,
        "waker_tid": 8,
        "syscall": "read",
        "call_ns": 900,
        "state": "sleeping",
        "kernel_stack_id": None,
    }
    assert expected.items() <= found.items()


def test_who_could_run_waited_for_a_cpu() -> None:
    found = row(state=0, back=1700)
    assert (found["blocked_ns"], found["wait_ns"], found["waker_pid"], found["syscall"]) == (0, 700, None, None)
    assert row(state=0, call=900, nr=YIELD, back=1700)["state"] == "yielded"
    assert row(state=0, call=900, nr=READ, back=1700)["state"] == "preempted"


def test_what_is_not_known_is_null() -> None:
    asleep = row(state=1)
    assert (asleep["duration_ns"], asleep["blocked_ns"], asleep["wait_ns"], asleep["next_cpu"]) == (None,) * 4
    unseen = row(state=1, back=1700)
    assert (unseen["duration_ns"], unseen["blocked_ns"], unseen["wait_ns"]) == (700, None, None)
    assert row(call=900, nr=1000, back=1)["syscall"] == "unknown_1000"
    assert row(call=900, nr=3, call_flags=wire.COMPAT, back=1)["syscall"] == "read"


def test_records_are_found_with_their_stacks_and_one_that_is_cut_off_comes_again() -> None:
    stack = struct.pack("<3Q", 1, 2, 3)
    data = sample(tid=1) + sample(stack, tid=2) + sample(tid=3)
    records = off_cpu.decode(np.frombuffer(data[:-8], np.uint8))
    assert records.heads["tid"].tolist() == [1, 2]
    assert records.stacks == [b"", stack]
    assert records.consumed == len(sample(tid=1) + sample(stack, tid=2))


@pytest.mark.parametrize("at_tracepoint", [True, False])
def test_the_program_at_a_tracepoint_is_not_part_of_a_stack(at_tracepoint: bool) -> None:
    stacks = KernelStacks()
    ips = struct.pack("<4Q", 0xFFFFFFFFC0000010, 0xFFFFFFFF81002010, 0xFFFFFFFF81000010, 0xFFFFFFFF81001010)
    assert [stacks.number(5, 32, ips, at_tracepoint=at_tracepoint) for _ in range(2)] == [0, 0]
    rows = stacks.rows(7, SYMBOLS)
    frames = [(frame["stack_id"], frame["depth"], frame["symbol"]) for frame in rows.frames]
    whole = ["bpf_prog_1_on_switch", "bpf_trace_run4", "__schedule", "schedule"]
    expected = whole[2:] if at_tracepoint else whole
    assert frames == [(7, depth, name) for depth, name in enumerate(expected)]
    assert rows.stacks == [{"stack_id": 7, "ts_ns": 5, "depth": len(expected), "status": "root"}]
