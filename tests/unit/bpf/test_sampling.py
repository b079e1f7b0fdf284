"""bpf/sampling.py: what the kernel refuses is told with a remedy, and what it throttles is noticed."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from bpfrec.bpf import sampling, task_offsets
from bpfrec.bpf.sampling import Sampling
from bpfrec.formats.errors import BpfrecError

THROTTLE, UNTHROTTLE = 5, 6


class FakeRing:
    """A timer whose ring holds what the kernel said of it."""

    said = b""

    def __init__(self, descriptor: int, cpu: int, _size: int) -> None:
        self.descriptor, self.cpu, self.closed = descriptor, cpu, False

    def fileno(self) -> int:
        return self.descriptor

    def pending(self) -> tuple[int, list[memoryview]]:
        return len(self.said), [memoryview(self.said)] if self.said else []

    def release(self, _head: int) -> None:
        self.said = b""

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The attributes of the events that were asked for; no kernel is."""
    asked: list[Any] = []
    monkeypatch.setattr(sampling, "open_on_cpu", lambda attr, cpu: asked.append(attr) or cpu + 100)
    monkeypatch.setattr(sampling, "Ring", FakeRing)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: 0)
    return asked


def test_what_is_asked_of_the_kernel(opened: list[Any]) -> None:
    Sampling([0, 2], 99, program=7)
    assert [(a.type, a.config, a.sample_period) for a in opened] == [(1, 0, 99)] * 2
    assert {a.flags for a in opened} == {1 << 10 | 1 << 7 | 1}, "freq, exclude_idle, disabled"


def test_timers_that_were_stopped_are_counted_once(opened: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    del opened
    records = b"".join(struct.pack("<IHH", kind, 0, 32) + bytes(24) for kind in (THROTTLE, UNTHROTTLE, THROTTLE))
    monkeypatch.setattr(FakeRing, "said", records)
    timers = Sampling([0], 99, program=7)
    assert (timers.throttled(), timers.throttled()) == (2, 0)


@pytest.mark.parametrize(
    ("number", "most", "said", "hint"),
    [
        (errno.EINVAL, "50\n", "at most 50 samples a second", "sysctl kernel.perf_event_max_sample_rate=99"),
        (errno.EINVAL, "100000\n", "perf_event_open", "root"),
        (errno.EACCES, "100000\n", "not permitted", "--privileged"),
        (errno.EPERM, "50\n", "not permitted", "--privileged"),
    ],
)
def test_refusals_name_cause_and_remedy(
    opened: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, most: str, said: str, hint: str
) -> None:
    def refuse(_attr: object, cpu: int) -> int:
        if cpu:
            raise OSError(number, os.strerror(number))
        return 100

    del opened
    (tmp_path / "perf_event_max_sample_rate").write_text(most)
    monkeypatch.setattr(sampling, "_MAX_RATE", tmp_path / "perf_event_max_sample_rate")
    monkeypatch.setattr(sampling, "open_on_cpu", refuse)
    with pytest.raises(BpfrecError) as refused:
        Sampling([0, 1], 99, program=7)
    assert said in refused.value.message
    assert hint in refused.value.hint


def test_older_kernels_tell_where_user_registers_are_by_their_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_offsets, "has_name", lambda *_: False)
    monkeypatch.setattr(task_offsets, "member_offsets", lambda *_: {("task_struct", "stack"): 32})
    assert task_offsets.register_defines() == ["TASK_STACK=32"]

    def unknown(*_: object) -> dict[tuple[str, str], int]:
        raise BpfrecError("no type information")

    monkeypatch.setattr(task_offsets, "member_offsets", unknown)
    assert task_offsets.register_defines() == []
    monkeypatch.setattr(task_offsets, "has_name", lambda name, *_: name == "BPF_FUNC_task_pt_regs")
    assert task_offsets.register_defines() == ["TASK_REGISTERS"]
