"""analyze/fleet: questions in processes of their own, bounded in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bpfrec.analyze.fleet.kept_rows import ROWS_AT_ONCE, KeptRows
from bpfrec.analyze.fleet.local_runner import run_local
from bpfrec.analyze.fleet.question import Question, ask

SAMPLES = Path(__file__).parents[4] / "sample_traces"
TRACES = [str(SAMPLES / f"{name}.bpfrec") for name in ("build", "running")]


def test_a_question_that_takes_too_much_memory_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first trace has many calls: a text of 3 GB is made for it."""
    monkeypatch.setenv("BPFREC_MEMORY_LIMIT", "64MB")
    large = "SELECT length(repeat('x', CASE WHEN count(*) > 100 THEN 3000000000 ELSE 1 END)) FROM syscalls"
    answers = {
        answer.status.trace: (answer.status.status, answer.result and answer.result.rows)
        for answer in run_local(TRACES, Question(sql=large), jobs=1, time_limit_s=600)
    }
    assert answers == {TRACES[0]: ("failed", None), TRACES[1]: ("ok", [(TRACES[1], 1)])}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the bound is one of Linux")
def test_a_process_cannot_grow_beyond_its_bound() -> None:
    script = """
from bpfrec.analyze.fleet.memory import MemoryBound
bound = MemoryBound("64MB")
assert not bound.is_half_used()
kept = bytearray(500 << 20)
assert bound.is_half_used()
try:
    bytearray(2 << 30)
except MemoryError:
    print("bounded")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("bounded\n", "")


def test_many_rows_are_kept_in_a_file_until_they_are_read(tmp_path: Path) -> None:
    many = Question(sql=f"SELECT range FROM range({3 * ROWS_AT_ONCE})")
    answer = ask(TRACES[1], many, lambda: tmp_path)
    assert answer.result is not None
    assert isinstance(answer.result.source, KeptRows)
    assert len(list(tmp_path.iterdir())) == 1
    expected = [(TRACES[1], number) for number in range(3 * ROWS_AT_ONCE)]
    assert answer.result.rows == expected
    assert list(tmp_path.iterdir()) == []
    assert (answer.status.status, answer.status.rows) == ("ok", len(expected))
    (same,) = [one.result and one.result.rows for one in run_local(TRACES[1:], many, jobs=1, time_limit_s=600)]
    assert same == expected


def test_rows_that_cannot_be_kept_are_a_failure(tmp_path: Path) -> None:
    many = Question(sql=f"SELECT range FROM range({3 * ROWS_AT_ONCE})")
    answer = ask(TRACES[1], many, lambda: tmp_path / "none")
    assert (answer.status.status, answer.result) == ("failed", None)
    assert "No such file" in answer.status.message
