"""A recorder that cannot keep up: what is recorded and what is counted as lost add up to what was called."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from live import Recorder, Waiting, rows

import bpfrec

CALLS = 2_000_000


def test_recorded_and_lost_add_up(programs: Callable[..., Path], tmp_path: Path) -> None:
    workload = Waiting([programs("crowd"), "0", "1", str(CALLS)])
    recorder = Recorder(tmp_path / "trace.bpfrec", "-p", str(workload.pid), "-e", "getppid")
    recorder.process.send_signal(signal.SIGSTOP)
    workload.go()
    recorder.process.send_signal(signal.SIGCONT)
    said = recorder.wait()
    [(recorded,)] = rows(recorder.output, "SELECT count(*) FROM syscalls")
    [(lost,)] = rows(recorder.output, "SELECT sum(count)::BIGINT FROM losses WHERE severity = 'data_loss'")
    assert lost > 0, "the rings held everything: make CALLS greater than what they hold"
    assert recorded + lost == CALLS
    assert f"{lost:,} LOST" in said
    assert rows(recorder.output, "SELECT DISTINCT kind, cpu IS NOT NULL, ts_ns IS NOT NULL FROM losses") == [
        ("ring-full", True, False)
    ]
    with bpfrec.open(recorder.output) as trace:
        assert trace.manifest.counters["lost"] == lost
        assert any(str(lost) in note.replace(",", "") for note in trace.loss_notes())
