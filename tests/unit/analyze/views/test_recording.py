"""The view of the recording as a whole, of manifests that a stranger wrote too."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.trace_builder import TraceBuilder

import bpfrec
from bpfrec.analyze.views.recording import MOST_SYSCALLS


def test_of_very_many_system_calls_it_counts_the_most_frequent(tmp_path: Path) -> None:
    builder = TraceBuilder()
    builder.call("close", 0, 3)
    manifest = builder.manifest()
    manifest.syscalls |= {f"unknown_{number}": number for number in range(100_000)}
    with bpfrec.open(builder.write(tmp_path / "t.bpfrec", manifest)) as trace:
        counts = trace.info["syscalls"]
    assert len(counts) == MOST_SYSCALLS
    assert counts["unknown_99999"] == 99_999
    assert "unknown_1" not in counts


def test_counters_without_end_are_refused(tmp_path: Path) -> None:
    builder = TraceBuilder()
    builder.counters |= {f"counter{number}": number for number in range(10_000)}
    with pytest.raises(bpfrec.BpfrecError, match="10,000 counters"):
        bpfrec.open(builder.write(tmp_path / "t.bpfrec"))
