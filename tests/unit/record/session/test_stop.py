"""record/session/stop.py: the ends of more processes than there are descriptors to watch them with."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from types import SimpleNamespace
from typing import cast

import pytest

from bpfrec.record.session.signals import StopSignals
from bpfrec.record.session.stop import StopCondition

PROCESSES = 6


def test_processes_beyond_the_descriptors_are_watched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    sleeping = [subprocess.Popen(["sleep", "60"]) for _ in range(PROCESSES)]
    pids = [one.pid for one in sleeping]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    signals = cast("StopSignals", SimpleNamespace(received=[]))
    stop = StopCondition(None, signals, pids, [], None, False, lambda: False)
    assert len(os.listdir("/proc/self/fd")) - before == 2  # noqa: PTH208
    try:
        assert stop.reason() is None
        for one in sleeping[:-1]:
            one.kill()
        deadline, ended = time.monotonic() + 30, list[int]()
        while len(ended) < PROCESSES - 1 and time.monotonic() < deadline:
            assert stop.reason() is None
            ended += stop.ended()
        assert sorted(ended) == sorted(pids[:-1]), "zombies have ended"
        sleeping[-1].kill()
        while not (reason := stop.reason()) and time.monotonic() < deadline:
            pass
        assert reason == "all recorded processes ended"
    finally:
        stop.close()
        for one in sleeping:
            one.kill()
            one.wait()


def test_a_process_that_has_gone_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, 0))
    signals = cast("StopSignals", SimpleNamespace(received=[]))
    stop = StopCondition(None, signals, [1 << 30], [], None, False, lambda: False)
    assert stop.reason() == "the recorded process ended"
    assert stop.ended() == [1 << 30]
